package sip

import (
	"encoding/xml"
	"slices"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/media"
	"tincan/phone/sip/transaction"
)

// A whole picture is asked for by RTCP, or, by older phones and of them, by INFO (RFC
// 5168). What comes by the one goes on by the other where the other party knows only
// that.
//
//	INFO of a party ──> AskPicture ──> as if it had come by RTCP ──> the other party
//	RTCP for a party without a=rtcp-fb ──> askPicture ──> INFO, beside it

// controlType is the body of such an INFO.
const controlType = "application/media_control+xml"

// wantsPicture is what it says.
const wantsPicture = `<?xml version="1.0" encoding="utf-8"?>
<media_control><vc_primitive><to_encoder><picture_fast_update/></to_encoder></vc_primitive></media_control>
`

// control is the part of it that is known here.
type control struct {
	XMLName xml.Name  `xml:"media_control"`
	Update  *struct{} `xml:"vc_primitive>to_encoder>picture_fast_update"`
}

// heedsRTCP reports whether a party agreed to be asked by RTCP (RFC 4585 4.2).
func heedsRTCP(st *media.Stream) bool {
	return slices.ContainsFunc(st.Feedback, func(f media.Feedback) bool { return f.Value == "nack pli" || f.Value == "ccm fir" })
}

// takeControl is an INFO about what the party sees. Whatever else it asks for than a
// whole picture is acknowledged and not done, as RFC 5168 6 wants it of what is not
// known.
func (l *leg) takeControl(tx *transaction.Server, req *wire.Request) {
	var c control
	if err := xml.Unmarshal(req.Body(), &c); err != nil {
		tx.Respond(l.s.reply(req, wire.StatusBadRequest, "The XML cannot be read"))
		return
	}
	tx.Respond(l.s.reply(req, wire.StatusOK, "OK"))
	if c.Update == nil {
		return
	}
	l.mu.Lock()
	lines := slices.Clone(l.lines)
	l.mu.Unlock()
	for _, r := range lines {
		if r != nil {
			r.AskPicture()
		}
	}
}

// askPicture asks the party for a whole picture by INFO, once at a time, and never
// again when it refuses.
func (l *leg) askPicture() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.picturing || l.stage != up {
		return
	}
	l.picturing = true
	req := l.newRequest(wire.INFO, 0)
	l.s.common(req)
	req.AppendHeader(wire.NewHeader("Content-Type", controlType))
	req.SetBody([]byte(wantsPicture))
	l.send(req, func(res *wire.Response, err error) {
		if err != nil || res.IsSuccess() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.picturing = false
		}
	})
}
