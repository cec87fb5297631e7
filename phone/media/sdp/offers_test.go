package sdp

import (
	"net/netip"
	"strings"

	"tincan/phone/codec"
	"tincan/phone/media"
	"tincan/phone/media/secure"
)

// described is an offer in the manner of a phone and what it says.
type described struct {
	name, text string
	origin     Origin
	want       []media.Stream
}

// crlf makes lines of SDP of indented text.
func crlf(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(text)) {
		b.WriteString(strings.TrimSpace(line) + "\r\n")
	}
	return b.String()
}

func format(pt uint8, name string, clock uint32, fmtp string) codec.Format {
	return codec.Format{PT: pt, Name: name, Clock: clock, Channels: 1, Fmtp: fmtp}
}

func stereo(f codec.Format) codec.Format { f.Channels = 2; return f }

func at(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func origin(id, version uint64, addr string) Origin {
	return Origin{id, version, netip.MustParseAddr(addr)}
}

var (
	mu     = format(0, "pcmu", 8000, "")
	a      = format(8, "pcma", 8000, "")
	g722   = format(9, "g722", 8000, "")
	events = format(101, "telephone-event", 8000, "0-15")
)

// offers are what phones send: the shapes are theirs, the values made up.
func offers() []described {
	return []described{
		{
			name: "baresip",
			text: crlf(`
				v=0
				o=- 3829182 1 IN IP4 192.168.7.20
				s=-
				c=IN IP4 192.168.7.20
				t=0 0
				a=tool:baresip 1.0.0
				m=audio 16002 RTP/AVP 96 9 8 0 101
				b=AS:125
				a=rtpmap:96 opus/48000/2
				a=fmtp:96 stereo=1;sprop-stereo=1
				a=rtpmap:9 G722/8000
				a=rtpmap:8 PCMA/8000
				a=rtpmap:0 PCMU/8000
				a=rtpmap:101 telephone-event/8000
				a=fmtp:101 0-15
				a=rtcp:16003
				a=sendrecv
				a=label:1
				a=rtcp-rsize
				a=ssrc:1234567 cname:sip:101@192.168.7.1
				a=ptime:20`),
			origin: origin(3829182, 1, "192.168.7.20"),
			want: []media.Stream{{
				Kind: media.Audio, Name: "audio", Proto: "RTP/AVP", RTP: at("192.168.7.20:16002"), RTCP: at("192.168.7.20:16003"),
				Direction: media.SendRecv, Ptime: 20, Passed: []string{"label:1"},
				Formats: []codec.Format{stereo(format(96, "opus", 48000, "stereo=1;sprop-stereo=1")), g722, a, mu, events},
			}},
		},
		{
			name: "linphone with video, AVPF feedback and ZRTP",
			text: crlf(`
				v=0
				o=ada 1203 2417 IN IP6 2001:db8::17
				s=Talk
				c=IN IP6 2001:db8::17
				t=0 0
				a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics
				m=audio 7078 RTP/AVPF 96 97 98 0 8
				a=rtpmap:96 opus/48000/2
				a=fmtp:96 useinbandfec=1
				a=rtpmap:97 speex/16000
				a=fmtp:97 vbr=on
				a=rtpmap:98 telephone-event/48000
				a=zrtp-hash:1.10 0c1f2e
				a=rtcp-fb:* trr-int 5000
				m=video 9078 RTP/AVPF 99 100
				a=rtpmap:99 VP8/90000
				a=rtpmap:100 H264/90000
				a=fmtp:100 profile-level-id=42801F
				a=rtcp-fb:99 nack pli
				a=rtcp-fb:101 ccm fir
				a=recvonly`),
			origin: origin(1203, 2417, "2001:db8::17"),
			want: []media.Stream{
				{
					Kind: media.Audio, Name: "audio", Proto: "RTP/AVPF", RTP: at("[2001:db8::17]:7078"), Direction: media.SendRecv,
					Formats: []codec.Format{
						stereo(format(96, "opus", 48000, "useinbandfec=1")), format(97, "speex", 16000, "vbr=on"),
						format(98, "telephone-event", 48000, ""), mu, a,
					},
					Feedback: []media.Feedback{{All: true, Value: "trr-int 5000"}},
					Passed:   []string{"zrtp-hash:1.10 0c1f2e", "rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics"},
				},
				{
					Kind: media.Video, Name: "video", Proto: "RTP/AVPF", RTP: at("[2001:db8::17]:9078"), Direction: media.RecvOnly,
					Formats: []codec.Format{
						format(99, "vp8", 90000, ""), format(100, "h264", 90000, "profile-level-id=42801F"),
					},
					Feedback: []media.Feedback{{PT: 99, Value: "nack pli"}},
				},
			},
		},
		{
			name: "Yealink: t= before c=, SAVP beside AVP",
			text: crlf(`
				v=0
				o=- 20007 20007 IN IP4 10.0.0.31
				s=SDP data
				t=0 0
				c=IN IP4 10.0.0.31
				m=audio 11780 RTP/AVP 9 0 8 18 101
				a=rtpmap:9 G722/8000
				a=rtpmap:0 PCMU/8000
				a=rtpmap:8 PCMA/8000
				a=rtpmap:18 G729/8000
				a=fmtp:18 annexb=no
				a=rtpmap:101 telephone-event/8000
				a=fmtp:101 0-15
				a=ptime:20
				a=sendrecv
				m=audio 11782 RTP/SAVP 0 101
				a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:bm90IGEga2V5
				a=rtpmap:0 PCMU/8000`),
			origin: origin(20007, 20007, "10.0.0.31"),
			want: []media.Stream{
				{
					Kind: media.Audio, Name: "audio", Proto: "RTP/AVP", RTP: at("10.0.0.31:11780"), Direction: media.SendRecv, Ptime: 20,
					Formats: []codec.Format{g722, mu, a, format(18, "g729", 8000, "annexb=no"), events},
				},
				{
					Kind: media.Audio, Name: "audio", Proto: "RTP/SAVP", RTP: at("10.0.0.31:11782"), Direction: media.SendRecv,
					Formats: []codec.Format{mu},
				},
			},
		},
		{
			name: "FRITZ!Box: fax beside sound, its own rtcp port",
			text: crlf(`
				v=0
				o=user 7091 7091 IN IP4 192.168.178.1
				s=call
				c=IN IP4 192.168.178.1
				t=0 0
				m=audio 7080 RTP/AVP 8 0 2 102 100 99 97 120 121 101
				a=sendrecv
				a=rtpmap:2 G726-32/8000
				a=rtpmap:102 G726-32/8000
				a=rtpmap:97 iLBC/8000
				a=fmtp:97 mode=30
				a=rtpmap:120 PCMA/16000
				a=rtpmap:121 PCMU/16000
				a=rtpmap:101 telephone-event/8000
				a=fmtp:101 0-15
				a=rtcp:7081
				m=image 7082 udptl t38
				a=T38FaxVersion:0
				a=T38MaxBitRate:14400`),
			origin: origin(7091, 7091, "192.168.178.1"),
			want: []media.Stream{
				{
					Kind: media.Audio, Name: "audio", Proto: "RTP/AVP", RTP: at("192.168.178.1:7080"), RTCP: at("192.168.178.1:7081"),
					Direction: media.SendRecv,
					Formats: []codec.Format{
						a, mu, format(2, "g726-32", 8000, ""), format(102, "g726-32", 8000, ""),
						format(97, "ilbc", 8000, "mode=30"), format(120, "pcma", 16000, ""), format(121, "pcmu", 16000, ""), events,
					},
				},
				{
					Kind: media.Image, Name: "image", Proto: "udptl", RTP: at("192.168.178.1:7082"), Direction: media.SendRecv,
					Raw: []string{"t38"}, Passed: []string{"T38FaxVersion:0", "T38MaxBitRate:14400"},
				},
			},
		},
		{
			name: "a browser: nothing known but the candidates",
			text: crlf(`
				v=0
				o=- 4611733054762223410 2 IN IP4 127.0.0.1
				s=-
				t=0 0
				a=group:BUNDLE 0
				a=extmap-allow-mixed
				m=audio 9 UDP/TLS/RTP/SAVPF 111 63 0 126
				c=IN IP4 0.0.0.0
				a=rtcp:9 IN IP4 0.0.0.0
				a=ice-ufrag:x9cV
				a=fingerprint:sha-256 00:11:22
				a=setup:actpass
				a=mid:0
				a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
				a=sendrecv
				a=rtcp-mux
				a=rtpmap:111 opus/48000/2
				a=rtcp-fb:111 transport-cc
				a=fmtp:111 minptime=10;useinbandfec=1
				a=rtpmap:63 red/48000/2
				a=fmtp:63 111/111
				a=rtpmap:126 telephone-event/8000`),
			origin: origin(4611733054762223410, 2, "127.0.0.1"),
			want: []media.Stream{{
				Kind: media.Audio, Name: "audio", Proto: "UDP/TLS/RTP/SAVPF", RTP: at("0.0.0.0:9"), RTCP: at("0.0.0.0:9"), Mux: true,
				Direction: media.SendOnly, // 0.0.0.0 receives nothing
				Formats: []codec.Format{
					stereo(format(111, "opus", 48000, "minptime=10;useinbandfec=1")), stereo(format(63, "red", 48000, "111/111")),
					mu, format(126, "telephone-event", 8000, ""),
				},
				Feedback: []media.Feedback{{PT: 111, Value: "transport-cc"}},
				Passed:   []string{"extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level"},
				Mid:      "0",

				Fingerprints: []secure.Fingerprint{{Hash: "sha-256", Digest: []byte{0, 0x11, 0x22}}}, Setup: "actpass",
			}},
		},
		{
			name: "keys in the description; a certificate for all, and one of its own",
			text: crlf(`
				v=0
				o=- 5 6 IN IP4 10.0.0.4
				s=-
				c=IN IP4 10.0.0.4
				t=0 0
				a=fingerprint:SHA-256 0A:0B
				a=setup:active
				m=audio 4000 RTP/SAVP 0
				a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20
				a=crypto:2 F8_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm
				a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:none
				m=video 4002 UDP/TLS/RTP/SAVPF 96
				a=rtpmap:96 VP8/90000
				a=fingerprint:sha-256 0C:0D
				a=fingerprint:md2
				a=setup:passive
				a=setup:perhaps
				m=application 4004 UDP/DTLS/SCTP webrtc-datachannel
				a=setup:actpass`),
			origin: origin(5, 6, "10.0.0.4"),
			want: []media.Stream{
				{
					Kind: media.Audio, Name: "audio", Proto: "RTP/SAVP", RTP: at("10.0.0.4:4000"), Direction: media.SendRecv,
					Formats: []codec.Format{mu},
					Crypto: []secure.Crypto{
						{Tag: 1, Suite: secure.AES128CM80, Name: "AES_CM_128_HMAC_SHA1_80", Key: []byte("YS___semctl () {\t220;}\n}\nunles")},
						{Tag: 2, Name: "F8_128_HMAC_SHA1_80"},
					},
					Fingerprints: []secure.Fingerprint{{Hash: "sha-256", Digest: []byte{10, 11}}}, Setup: "active",
				},
				{
					Kind: media.Video, Name: "video", Proto: "UDP/TLS/RTP/SAVPF", RTP: at("10.0.0.4:4002"), Direction: media.SendRecv,
					Formats:      []codec.Format{format(96, "vp8", 90000, "")},
					Fingerprints: []secure.Fingerprint{{Hash: "sha-256", Digest: []byte{12, 13}}}, Setup: "passive",
				},
				{
					Name: "application", Proto: "UDP/DTLS/SCTP", RTP: at("10.0.0.4:4004"), Direction: media.SendRecv,
					Raw: []string{"webrtc-datachannel"},
				},
			},
		},
		{
			name:   "bare LF, no end, no s=, no t=, unknown b= and others",
			text:   "v=0\no=x 1 2 IN IP4 10.0.0.1\nc=IN IP4 10.0.0.1\nb=X-YZ:128\nb=whatever\nq=?\n\nm=audio 4000 RTP/AVP 0",
			origin: origin(1, 2, "10.0.0.1"),
			want:   []media.Stream{{Kind: media.Audio, Name: "audio", Proto: "RTP/AVP", RTP: at("10.0.0.1:4000"), Direction: media.SendRecv, Formats: []codec.Format{mu}}},
		},
		{
			name: "hold of RFC 2543 by a phone that also says sendonly for the session",
			text: crlf(`
				v=0
				o=- 1 3 IN IP4 10.0.0.1
				s=-
				c=IN IP4 0.0.0.0
				t=0 0
				a=sendonly
				m=audio 4000 RTP/AVP 8
				m=text 4002 RTP/AVP 98
				c=IN IP4 10.0.0.1/127
				a=rtpmap:98 t140/1000
				a=inactive`),
			origin: origin(1, 3, "10.0.0.1"),
			want: []media.Stream{
				{Kind: media.Audio, Name: "audio", Proto: "RTP/AVP", RTP: at("0.0.0.0:4000"), Direction: media.SendOnly, Formats: []codec.Format{a}},
				{Kind: media.Text, Name: "text", Proto: "RTP/AVP", RTP: at("10.0.0.1:4002"), Formats: []codec.Format{format(98, "t140", 1000, "")}},
			},
		},
		{
			name: "host names; rtcp elsewhere",
			text: crlf(`
				v=0
				o=- 1 1 IN IP4 phone.example
				s=-
				c=IN IP4 phone.example
				t=0 0
				m=audio 4000/2 RTP/AVP 0
				a=rtcp:5001 IN IP6 ::ffff:10.0.0.9
				m=audio 4002 RTP/AVP 8
				c=IN IP4 10.0.0.1
				a=rtcp:0`),
			origin: Origin{ID: 1, Version: 1},
			want: []media.Stream{
				{
					Kind: media.Audio, Name: "audio", Proto: "RTP/AVP", RTP: netip.AddrPortFrom(netip.Addr{}, 4000), RTCP: at("10.0.0.9:5001"),
					Direction: media.SendRecv, Formats: []codec.Format{mu},
				},
				{Kind: media.Audio, Name: "audio", Proto: "RTP/AVP", RTP: at("10.0.0.1:4002"), Direction: media.SendRecv, Formats: []codec.Format{a}},
			},
		},
		{
			name: "formats listed twice, without rtpmap, or of no use; refused lines",
			text: crlf(`
				v=0
				o=-
				c=IN IP4 10.0.0.1
				m=audio 4000 RTP/AVP 0 97 0 96 8
				a=rtpmap:96 G722/8000
				a=rtpmap:99 speex/8000
				a=fmtp:97 x=1
				a=rtcp-fb:97 nack
				m=video 0 RTP/AVP 31 96
				a=recvonly
				m=audio 4002 RTP/AVP 97
				m=application 5000 TCP/MSRP *`),
			want: []media.Stream{
				{
					Kind: media.Audio, Name: "audio", Proto: "RTP/AVP", RTP: at("10.0.0.1:4000"), Direction: media.SendRecv,
					Formats: []codec.Format{mu, format(96, "g722", 8000, ""), a},
				},
				{Kind: media.Video, Name: "video", Proto: "RTP/AVP", Raw: []string{"31", "96"}},
				{Kind: media.Audio, Name: "audio", Proto: "RTP/AVP", Raw: []string{"97"}},
				{Name: "application", Proto: "TCP/MSRP", RTP: at("10.0.0.1:5000"), Direction: media.SendRecv, Raw: []string{"*"}},
			},
		},
	}
}
