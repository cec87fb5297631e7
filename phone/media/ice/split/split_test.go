package split

import (
	"errors"
	"io"
	"net"
	"testing"
)

func listen(t *testing.T) (media, rest net.Listener) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	media, rest = Listen(l)
	t.Cleanup(func() {
		_, _ = media.Close(), rest.Close()
		if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
			_ = c.Close()
			t.Error("the port is still open")
		}
	})
	return media, rest
}

func TestFirstByteDecides(t *testing.T) {
	media, rest := listen(t)
	for _, c := range []struct {
		say string
		to  net.Listener
	}{
		{"\x00\x14\x00\x01", media}, {"\x01\x20\x00\x01", media}, {"\x16\x03\x01", rest}, {"GET /", rest}, {"\x02", rest},
	} {
		conn, err := net.Dial("tcp", media.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, c.say); err != nil {
			t.Fatal(err)
		}
		got, err := c.to.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		said, err := io.ReadAll(got)
		if err != nil || string(said) != c.say {
			t.Errorf("%q came as %q (%v)", c.say, said, err)
		}
		_ = got.Close()
	}
}

func TestOneClosesWithoutTheOther(t *testing.T) {
	media, rest := listen(t)
	if err := media.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := media.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	conn, err := net.Dial("tcp", rest.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte{0x16}); err != nil {
		t.Fatal(err)
	}
	got, err := rest.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = got.Close()
}

// Connections for one side that nobody takes do not hold up the other.
func TestOneSideDoesNotHoldUpTheOther(t *testing.T) {
	media, rest := listen(t)
	dial := func(say string) net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", media.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := io.WriteString(c, say); err != nil {
			t.Fatal(err)
		}
		return c
	}
	for i := range maxSilent + maxWaiting + 1 {
		c := dial("\x00")
		if i < maxWaiting {
			continue
		}
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Fatalf("connection %d is answered", i)
		}
	}
	dial("\x16")
	got, err := rest.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = got.Close()
}
