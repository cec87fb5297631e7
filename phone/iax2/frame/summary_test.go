package frame

import (
	"strings"
	"testing"
)

func message(c Command, e Elements) []byte {
	return AppendFull(nil, Full{Source: 5, Dest: 7, Time: 40, OSeq: 1, ISeq: 2, Type: IAX, Subclass: Subclass(c), Payload: e.Append(nil)})
}

func TestSummary(t *testing.T) {
	for _, c := range []struct {
		want string
		b    []byte
	}{
		{
			"NEW 101 -> 102 opus,g722",
			message(New, Elements{CallingNumber: "101", CalledNumber: "102", Preference: Preference{Opus, G722}}),
		},
		{"NEW -> 102 pcma token?", message(New, Elements{CalledNumber: "102", Format: PCMA, CallToken: Some([]byte(nil))})},
		{"REGREQ 101 +token", message(RegReq, Elements{Username: "101", CallToken: Some([]byte("secret"))})},
		{"CALLTOKEN", message(CallToken, Elements{CallToken: Some([]byte("secret"))})},
		{"HANGUP Busy (17)", message(HangupCall, Elements{Cause: "Busy", CauseCode: Some[uint8](17)})},
		{"RINGING", AppendFull(nil, Full{Source: 1, Type: ControlFrame, Subclass: Subclass(Ringing)})},
		{"RINGING (again)", AppendFull(nil, Full{Source: 1, Type: ControlFrame, Subclass: Subclass(Ringing), Retransmit: true})},
		{"VOICE opus, 3 bytes", AppendFull(nil, Full{Source: 1, Type: Voice, Subclass: Subclass(Opus), Payload: []byte("abc")})},
		{"DTMF '#'", AppendFull(nil, Full{Source: 1, Type: DTMFEnd, Subclass: '#'})},
		{"voice, 2 bytes", []byte{0, 1, 0, 0, 1, 2}},
		{"trunk, voice of 1 calls, 5 bytes", octets(t, "0000 0100 00001234 0005 0001 aa")},
		{"2 bytes that are no IAX2 frame", []byte{1, 2}},
	} {
		if got := Summary(c.b); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestDetailHidesSecrets(t *testing.T) {
	got := Detail(message(AuthRep, Elements{
		Username: "101", Password: "hush", Challenge: []byte("hush"), MD5Result: "hush", RSAResult: "hush",
		EncryptionKey: []byte("hush"), CallToken: Some([]byte("hush")), Format: G722,
	}))
	if strings.Contains(got, "hush") || strings.Contains(got, showHex([]byte("hush"))) {
		t.Errorf("a secret is in\n%s", got)
	}
	for _, want := range []string{"call 5 -> 7, 40 ms, sent 1, expects 2", `USERNAME: "101"`, "FORMAT2: g722", "MD5 RESULT: *** (4 bytes)"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
}
