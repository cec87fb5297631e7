package sip_test

import (
	"bufio"
	"database/sql"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	wire "github.com/emiago/sipgo/sip"

	"tincan/phone/sip/siptest"
	"tincan/phone/sip/transaction"
	"tincan/phone/sip/transport"
	"tincan/phone/sip/transport/memory"
	"tincan/store"
)

// offers replaces the port and the address in a phone's offer.
func offers(p *siptest.Phone, addr string, port int) string {
	text := strings.ReplaceAll(p.Offer(), p.At().Addr().String(), addr)
	return strings.Replace(text, "m=audio 40000", fmt.Sprintf("m=audio %d", port), 1)
}

// Descriptions that mean no good are refused, or lead media nowhere.
func TestAbsurdDescriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := siptest.Start(t, memory.New(1, memory.Weather{}), siptest.Options{Extensions: two()})
		defer s.Close()
		a, b := s.Phone("101", "pw101", "198.51.100.7"), s.Phone("102", "pw102", "198.51.100.8")
		defer a.Close()
		defer b.Close()
		b.Register()
		head := "v=0\r\nc=IN IP4 198.51.100.7\r\n"
		for name, c := range map[string]struct{ body, want string }{
			"a port that is none":         {head + "m=audio 65536 RTP/AVP 0\r\n", "400"},
			"a negative port":             {head + "m=audio -1 RTP/AVP 0\r\n", "400"},
			"thousands of lines":          {head + strings.Repeat("a=x\r\n", 5000) + "m=audio 4000 RTP/AVP 0\r\n", "400"},
			"thousands of streams":        {head + strings.Repeat("m=audio 4000 RTP/AVP 0\r\n", 900), "400"},
			"thousands of formats":        {head + "m=audio 4000 RTP/AVP" + strings.Repeat(" 0", 5000) + "\r\n", "400"},
			"no description":              {"hello", "400"},
			"the whole of a datagram":     {head + strings.Repeat("a="+strings.Repeat("x", 1000)+"\r\n", 60), "400"},
			"nothing but refused streams": {head + "m=audio 0 RTP/AVP 0\r\n", "488"},
		} {
			d := a.Invite("102", c.body)
			got := ""
			for got == "" || got == "100" {
				m := a.Next()
				if m == nil {
					t.Fatalf("%s: no answer", name)
				}
				got = fmt.Sprint(m.(*wire.Response).StatusCode)
				d.To = siptest.Tag(m)
			}
			if got != c.want {
				t.Errorf("%s: %s, want %s", name, got, c.want)
			}
			a.Send("ACK", "sip:102@tincan", d, "")
		}
		if used, _ := s.Media.Ports(); used != 0 {
			t.Errorf("%d ports are held", used)
		}
	})
}

// audioPort is the port of a message's first audio line.
func audioPort(m wire.Message) (port uint16) {
	_, text, _ := strings.Cut(string(m.Body()), "m=audio ")
	_, _ = fmt.Sscanf(text, "%d", &port)
	return port
}

// Two parties who each name the port that we gave to the other would have one
// packet go round for ever: media to a port of our own go nowhere.
func TestMediaLoopIsNotMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := siptest.Start(t, memory.New(1, memory.Weather{Delay: time.Millisecond}), siptest.Options{Extensions: two()})
		defer s.Close()
		a, b := s.Phone("101", "pw101", "198.51.100.7"), s.Phone("102", "pw102", "198.51.100.8")
		defer a.Close()
		defer b.Close()
		b.Register()
		c := a.Talk(b)
		renew := func(p *siptest.Phone, d *siptest.Dialog, uri string, port uint16) uint16 {
			d.Seq++
			p.Send("INVITE", uri, *d, offers(p, s.At().Addr().String(), int(port)))
			ok := p.Expect("200")
			p.Send("ACK", uri, *d, "")
			return audioPort(ok)
		}
		bPort := renew(b, &c.B, c.BTarget, 40000)
		aPort := renew(a, &c.A, c.ATarget, bPort)
		renew(b, &c.B, c.BTarget, aPort)
		time.Sleep(5 * time.Second) // by now anybody is taken for a party that says nothing
		before := s.Net.Sent()
		s.Net.Send(netip.AddrPortFrom(s.At().Addr(), bPort), netip.AddrPortFrom(s.At().Addr(), aPort), rtp(1))
		time.Sleep(5 * time.Second)
		if n := s.Net.Sent() - before; n > 50 {
			t.Errorf("one packet became %d", n)
		}
	})
}

// rtp is the nth packet of some PCMU.
func rtp(n int) []byte {
	b := make([]byte, 172)
	b[0], b[2], b[3], b[6], b[7], b[11] = 0x80, byte(n>>8), byte(n), byte(n*160>>8), byte(n*160), 9
	return b
}

// sound sends packets from a host to every media port that is in use.
func sound(s *siptest.Server, from netip.Addr, inUse func(uint16) bool, packets int) {
	for i := range packets {
		for port := uint16(10000); port < 20000; port += 2 {
			if inUse(port) {
				s.Net.Send(netip.AddrPortFrom(from, 40000), netip.AddrPortFrom(s.At().Addr(), port), rtp(i))
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Whoever sprays a server's media ports is heard by nobody.
func TestSoundOfStrangersIsNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := siptest.Start(t, memory.New(1, memory.Weather{}), siptest.Options{Extensions: two()})
		defer s.Close()
		a, b := s.Phone("101", "pw101", "198.51.100.7"), s.Phone("102", "pw102", "198.51.100.8")
		defer a.Close()
		defer b.Close()
		ears := map[string]*outsider{}
		for _, host := range []string{"198.51.100.7", "198.51.100.8"} {
			ears[host] = listenAt(t, s, netip.AddrPortFrom(netip.MustParseAddr(host), 40000))
			defer ears[host].close()
		}
		b.Register()
		a.Talk(b)
		sound(s, a.At().Addr(), s.Media.InUse, 10) // both speak, so that both are known
		sound(s, b.At().Addr(), s.Media.InUse, 10)
		for _, e := range ears {
			e.drain()
		}
		sound(s, netip.MustParseAddr("203.0.113.66"), s.Media.InUse, 50)
		for host, e := range ears {
			if n := len(e.drain()); n != 0 {
				t.Errorf("%s hears %d packets of a stranger", host, n)
			}
		}
	})
}

// Floods for users that do not exist, from as many addresses, leave nothing behind
// even where the gate is open.
func TestFloodsLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := siptest.Start(t, memory.New(1, memory.Weather{}), siptest.Options{Extensions: two()})
		defer s.Close()
		send := func(n int) {
			for i := range n {
				from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 5060)
				s.Net.Send(from, s.At(), request([]string{"REGISTER", "INVITE"}[i%2], fmt.Sprint("nobody", i), i))
				if i%1000 == 0 {
					synctest.Wait()
				}
			}
			synctest.Wait()
		}
		send(2000)
		before := heap()
		send(20_000)
		if in, out := s.SIP.Transactions(); in+out != 0 {
			t.Errorf("%d and %d transactions", in, out)
		}
		if grew := heap() - before; grew > 4<<20 {
			t.Errorf("the heap grew by %d bytes", grew)
		}
	})
}

// While the store is gone or locked by somebody (a full disk is the same to it:
// TestDiskFull of package store) phones register and call:
// what must be written waits. REGISTER gets a 200, INVITE its call.
func TestStoreOutOfOrder(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, *siptest.Server) (mend func()){
		"gone": func(t *testing.T, s *siptest.Server) func() {
			move := func(from, to string) {
				for _, f := range []string{"", "-wal", "-shm"} {
					if err := os.Rename(filepath.Join(s.Folder, from+f), filepath.Join(s.Folder, to+f)); err != nil {
						t.Fatal(err)
					}
				}
			}
			move(store.FileName, "away")
			return func() { move("away", store.FileName) }
		},
		"locked": func(t *testing.T, s *siptest.Server) func() {
			db, err := sql.Open("sqlite", filepath.Join(s.Folder, store.FileName))
			if err != nil {
				t.Fatal(err)
			}
			db.SetMaxOpenConns(1)
			if _, err := db.Exec("BEGIN IMMEDIATE"); err != nil {
				t.Fatal(err)
			}
			return func() { _ = db.Close() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := siptest.Start(t, memory.New(1, memory.Weather{}), siptest.Options{Extensions: two()})
				defer s.Close()
				mend := spoil(t, s)
				defer mend()
				a, b := s.Phone("101", "pw101", "198.51.100.7"), s.Phone("102", "pw102", "198.51.100.8")
				defer a.Close()
				defer b.Close()
				a.Register()
				b.Register()
				c := a.Talk(b)
				a.Send("BYE", c.ATarget, c.A, "")
				b.Answer(b.Expect("BYE"), 200, "", "")
				a.Expect("200")
				if !s.Store.Status().Down {
					t.Error("the store does not notice")
				}
			})
		})
	}
}

// A phone's connection stays, and calls come over it, while strangers open
// thousands.
func TestConnectionFloodLeavesPhonesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := siptest.Start(t, memory.New(1, memory.Weather{}), siptest.Options{Extensions: two()})
		defer s.Close()
		a, b := s.Phone("101", "pw101", "198.51.100.7"), s.Phone("102", "pw102", "198.51.100.8")
		defer a.Close()
		defer b.Close()
		conn, err := s.Net.Host("198.51.100.8").Dial(t.Context(), s.At())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		r := bufio.NewReader(conn)
		read := func() wire.Message {
			t.Helper()
			b, err := transport.Frame(r)
			if err != nil {
				t.Fatal(err)
			}
			m, err := wire.ParseMessage(b)
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		const uri = "sip:102@tincan"
		write := func(seq int, more ...string) {
			text := b.Request("REGISTER", uri, siptest.Dialog{CallID: "tcp", From: "r", Seq: seq}, "", more...)
			text = strings.Replace(strings.Replace(text, "SIP/2.0/UDP", "SIP/2.0/TCP", 1), ":5060>", ":5060;transport=tcp>", 1)
			if _, err := conn.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second) // a registration at the very moment of the start is the last process's
		write(1)
		write(2, b.Credentials(read(), "REGISTER", uri, 1))
		if ok := read(); !siptest.Begins(ok, "200") {
			t.Fatal(ok)
		}
		for i := range 4000 {
			if _, err := s.Net.Host(fmt.Sprintf("10.1.%d.%d", i/250, i%250)).Dial(t.Context(), s.At()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		d := a.Invite("102", a.Offer())
		in := read()
		if !siptest.Begins(in, "INVITE") {
			t.Fatal(in)
		}
		res := transaction.Reply(in.(*wire.Request), 486, "Busy Here")
		transaction.SetTag(res, "bt")
		if _, err := conn.Write([]byte(res.String())); err != nil {
			t.Fatal(err)
		}
		if ack := read(); !siptest.Begins(ack, "ACK") {
			t.Error(ack)
		}
		d.To = siptest.Tag(a.Expect("486"))
		a.Send("ACK", uri, d, "")
	})
}
