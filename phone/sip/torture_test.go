package sip_test

import (
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tincan/phone/directory"
	"tincan/phone/sip/siptest"
	"tincan/phone/sip/transport"
	"tincan/phone/sip/transport/memory"
)

// fate is what becomes of a message: the status of the answer, or what else.
type fate struct {
	stranger string // from an address that we do not know
	trunk    string // from a trunk's address; "" the same
}

// What becomes of messages that draw no answer.
const (
	stray   = "a response to nothing: dropped"
	unread  = "a response that cannot be parsed: dropped"
	unknown = "404" // a trunk's call to a number without a route
)

// rfc4475 are the messages of RFC 4475, in its order, with what becomes of each
// when it comes over UDP. Where it says otherwise than the RFC, the reason is
// there.
var rfc4475 = map[string]fate{
	// 3.1.1: valid, however they look
	"wsinv":      {"401", unknown},
	"intmeth":    {"400", ""}, // valid but for our bound: a NUL, even escaped, fits in no database
	"esc01":      {"401", unknown},
	"escnull":    {"401", ""},
	"esc02":      {"501", ""},
	"lwsdisp":    {"200", ""},
	"longreq":    {"401", unknown},
	"dblreq":     {"401", ""}, // of a datagram the first message; the rest is no part of it
	"semiuri":    {"200", ""},
	"transports": {"200", ""},
	"mpart01":    {"401", unknown}, // a MESSAGE, routed as a call
	"unreason":   {stray, ""},
	"noreason":   {stray, ""},
	// 3.1.2: invalid
	"badinv01":   {"400", ""},
	"clerr":      {"400", ""}, // Content-Length is more than came
	"ncl":        {"400", ""}, // negative Content-Length
	"scalar02":   {"400", ""},
	"scalarlg":   {unread, ""},
	"quotbal":    {"400", ""},
	"ltgtruri":   {"400", ""},
	"lwsruri":    {"400", ""},
	"lwsstart":   {"400", ""},
	"trws":       {"400", ""},
	"escruri":    {"401", unknown}, // the headers in the Request-URI are ignored
	"baddate":    {"401", unknown}, // Date says nothing to us
	"regbadct":   {"401", ""},
	"badaspec":   {"400", ""},
	"baddn":      {"200", ""}, // a display name without quotes: read as it is meant
	"badvers":    {"505", ""},
	"mismatch01": {"400", ""},
	"mismatch02": {"400", ""}, // RFC: 501 or 400
	"bigcode":    {unread, ""},
	// 3.2: a branch that is nothing but the cookie is read as of RFC 2543
	"badbranch": {"200", ""},
	// 3.3: what only the application can judge
	"insuf":    {"400", ""},
	"unkscm":   {"416", ""},
	"novelsc":  {"416", ""},
	"unksm2":   {"401", ""},
	"bext01":   {"420", ""},
	"invut":    {"401", "415"},
	"regaut01": {"401", ""}, // an Authorization of a scheme that nobody knows
	"multi01":  {"400", ""},
	"mcl01":    {"400", ""},
	"bcast":    {stray, ""},
	"zeromf":   {"200", ""}, // we are where it goes to, not a proxy on its way
	"cparam01": {"401", ""},
	"cparam02": {"401", ""},
	"regescrt": {"401", ""},
	"sdp01":    {"401", unknown},
	// 3.4
	"inv2543": {"401", unknown},
}

// rfc5118 are those of RFC 5118.
var rfc5118 = map[string]fate{
	"ipv6-good":                     {"401", ""},
	"ipv6-bad":                      {"400", ""},
	"port-ambiguous":                {"401", ""}, // the port is part of the address: what was written is what is meant
	"port-unambiguous":              {"401", ""},
	"via-received-param-with-delim": {"481", ""},
	"via-received-param-no-delim":   {"200", ""},
	"ipv6-in-sdp":                   {"401", unknown},
	"mult-ip-in-header":             {"481", ""},
	"mult-ip-in-sdp":                {"401", unknown},
	"ipv4-mapped-ipv6":              {"401", unknown},
	"ipv6-bug-abnf-3-colons":        {"200", ""},
	"ipv6-correct-abnf-2-colons":    {"200", ""},
}

func TestTorture(t *testing.T) {
	for folder, want := range map[string]map[string]fate{"rfc4475": rfc4475, "rfc5118": rfc5118} {
		files, err := filepath.Glob("testdata/" + folder + "/*.sip")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range files {
			names = append(names, strings.TrimSuffix(filepath.Base(f), ".sip"))
		}
		if d := cmp.Diff(slices.Sorted(maps.Keys(want)), names); d != "" {
			t.Errorf("%s: messages (-stated +there):\n%s", folder, d)
		}
		synctest.Test(t, func(t *testing.T) {
			s := siptest.Start(t, memory.New(1, memory.Weather{}), siptest.Options{
				Extensions: two(), Trunks: []directory.TrunkForm{{Name: "peer", Address: "192.0.2.50", Match: []string{"192.0.2.50"}}},
			})
			defer s.Close()
			stranger, trunk := listen(t, s, "203.0.113.66"), listen(t, s, "192.0.2.50")
			defer stranger.close()
			defer trunk.close()
			for i, f := range files {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				w := want[names[i]]
				if w.trunk == "" {
					w.trunk = w.stranger
				}
				if got := (fate{torture(t, s, stranger, b), torture(t, s, trunk, b)}); got != w {
					t.Errorf("%s became %+v, want %+v", names[i], got, w)
				}
			}
		})
	}
}

// torture sends a message from a socket and says what becomes of it.
func torture(t *testing.T, s *siptest.Server, from *outsider, b []byte) (got string) {
	t.Helper()
	before := s.SIP.Transport().Malformed.Load() + s.SIP.Transport().Junk.Load()
	from.send(b)
	time.Sleep(100 * time.Millisecond) // before anything is sent again
	if got = from.status(); got == "" {
		got = stray
		if s.SIP.Transport().Malformed.Load()+s.SIP.Transport().Junk.Load() > before {
			got = unread
		}
	}
	if calls, _ := s.Calls.Counts(); calls != 0 {
		t.Errorf("%d calls", calls)
	}
	time.Sleep(time.Minute) // many have the same branch: their transactions end
	from.drain()
	return got
}

// outsider is a socket that counts what comes back, whatever that is.
type outsider struct {
	s    *siptest.Server
	conn transport.PacketConn
	came chan []byte
	done chan struct{}
	sent int // bytes
}

func listen(t *testing.T, s *siptest.Server, addr string) *outsider {
	t.Helper()
	return listenAt(t, s, netip.AddrPortFrom(netip.MustParseAddr(addr), siptest.Port))
}

func listenAt(t *testing.T, s *siptest.Server, at netip.AddrPort) *outsider {
	t.Helper()
	conn, err := s.Net.Host(at.Addr().String()).ListenPacket(at)
	if err != nil {
		t.Fatal(err)
	}
	x := &outsider{s: s, conn: conn, came: make(chan []byte, 1024), done: make(chan struct{})}
	go func() {
		defer close(x.done)
		buf := make([]byte, transport.MaxMessage)
		for {
			n, _, _, err := conn.Recv(buf)
			if err != nil {
				return
			}
			select {
			case x.came <- slices.Clone(buf[:n]):
			default:
			}
		}
	}()
	return x
}

func (x *outsider) close() {
	_ = x.conn.Close()
	<-x.done
}

func (x *outsider) send(b []byte) {
	x.sent += len(b)
	_ = x.conn.Send(b, netip.Addr{}, x.s.At())
}

// drain waits until the server is at rest and gives what came.
func (x *outsider) drain() (all [][]byte) {
	synctest.Wait()
	for {
		select {
		case b := <-x.came:
			all = append(all, b)
		default:
			return all
		}
	}
}

// status is that of the last answer that came, provisional ones aside.
func (x *outsider) status() (last string) {
	for _, b := range x.drain() {
		if code := strings.TrimPrefix(string(b[:min(len(b), 11)]), "SIP/2.0 "); len(code) == 3 && code[0] > '1' {
			last = code
		}
	}
	return last
}
