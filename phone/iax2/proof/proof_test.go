package proof

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tincan/phone/directory/key"
	"tincan/phone/iax2/frame"
)

func TestToken(t *testing.T) {
	tokens := NewTokens()
	at := time.Unix(1_800_000_000, 0)
	addr := netip.MustParseAddrPort("192.0.2.1:4569")
	token := tokens.Issue(addr, at)
	if len(token) != TokenLength || bytes.IndexByte(token, 0) >= 0 {
		t.Fatalf("token %q", token)
	}
	for after, want := range map[time.Duration]bool{
		0: true, 10 * time.Second: true, 19 * time.Second: true, 20 * time.Second: false, time.Hour: false, -time.Second: false,
	} {
		if got := tokens.Valid(token, addr, at.Add(after)); got != want {
			t.Errorf("after %v: valid %v", after, got)
		}
	}
	for name, other := range map[string]string{"address": "192.0.2.2:4569", "port": "192.0.2.1:4570", "family": "[::1]:4569"} {
		if tokens.Valid(token, netip.MustParseAddrPort(other), at) {
			t.Errorf("valid for another %s", name)
		}
	}
	if !tokens.Valid(token, netip.MustParseAddrPort("[::ffff:192.0.2.1]:4569"), at) {
		t.Error("not valid for the mapped form of its address")
	}
	if NewTokens().Valid(token, addr, at) {
		t.Error("valid for another process")
	}
	for _, bad := range []string{"", "A", string(token) + "A", string(token[:7])} {
		if tokens.Valid([]byte(bad), addr, at) {
			t.Errorf("%q is valid", bad)
		}
	}
}

// TestTokenDoesNotAmplify: the answer is no longer than a registration as
// Asterisk sends it for a user of three digits.
func TestTokenDoesNotAmplify(t *testing.T) {
	length := func(c frame.Command, e frame.Elements) int {
		return len(frame.AppendFull(nil, frame.Full{Source: 1, Type: frame.IAX, Subclass: frame.Subclass(c), Payload: e.Append(nil)}))
	}
	asked := length(frame.RegReq, frame.Elements{
		Username: "101", Refresh: frame.Some[uint16](60), CallToken: frame.Some([]byte(nil)),
	})
	answer := length(frame.CallToken, frame.Elements{
		CallToken: frame.Some(NewTokens().Issue(netip.MustParseAddrPort("192.0.2.1:1"), time.Now())),
	})
	if answer > asked {
		t.Errorf("%d bytes draw %d", asked, answer)
	}
}

// TestAnswer: the digest of "1234567890hunter2" from md5sum.
func TestAnswer(t *testing.T) {
	challenge := []byte("1234567890")
	const want = "423705a562413ef5e90f24f5a4bd2a53"
	if got := Answer(challenge, "hunter2"); got != want {
		t.Errorf("answer %s, want %s", got, want)
	}
	if !Answered(challenge, "hunter2", strings.ToUpper(want)) || Answered(challenge, "hunter3", want) || Answered(challenge, "hunter2", "") {
		t.Error("takes a wrong answer or refuses the right one")
	}
	if a, b := NewChallenge(), NewChallenge(); bytes.Equal(a, b) || len(a) < 16 {
		t.Errorf("challenges %s, %s", a, b)
	}
	session := SessionKey(challenge, "hunter2")
	if hex.EncodeToString(session[:]) != want {
		t.Errorf("key %x", session)
	}
}

// TestSessionKeyLeavesTheChallenge: a slice with room behind it is not written to.
func TestSessionKeyLeavesTheChallenge(t *testing.T) {
	b := []byte("12345678")
	SessionKey(b[:4], "abcd")
	if string(b) != "12345678" {
		t.Errorf("became %s", b)
	}
}

func frames(payload []byte) map[string][]byte {
	return map[string][]byte{
		"full": frame.AppendFull(nil, frame.Full{
			Source: 5, Dest: 7, Time: 40, OSeq: 1, ISeq: 2, Type: frame.Voice, Subclass: frame.Subclass(frame.G722), Payload: payload,
		}),
		"mini": frame.AppendMini(nil, frame.Mini{Source: 5, Time: 60, Payload: payload}),
	}
}

func TestSealAndOpen(t *testing.T) {
	c := NewCipher(NewKey())
	rapid.Check(t, func(t *rapid.T) {
		for name, b := range frames(rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "payload")) {
			sealed, err := c.Seal([]byte("before"), b)
			if err != nil {
				t.Fatal(err)
			}
			sealed, _ = bytes.CutPrefix(sealed, []byte("before"))
			if more := len(sealed) - len(b); more < 16 || more > MaxPadding {
				t.Errorf("%s: %d bytes of padding", name, more)
			}
			s1, d1 := frame.Numbers(b)
			if s2, d2 := frame.Numbers(sealed); s1 != s2 || d1 != d2 {
				t.Errorf("%s: call numbers %d, %d are not clear", name, s2, d2)
			}
			if got, err := c.Open(sealed); err != nil || !bytes.Equal(got, b) {
				t.Errorf("%s: % x, %v, want % x", name, got, err, b)
			}
		}
	})
}

// TestSealedLayout: against the standard library's CBC with a vector of zeros.
func TestSealedLayout(t *testing.T) {
	session := NewKey()
	block, err := aes.NewCipher(session[:])
	if err != nil {
		t.Fatal(err)
	}
	for length := range 33 { // every padding there is
		for name, b := range frames(bytes.Repeat([]byte{0xaa}, length)) {
			header := map[string]int{"full": 4, "mini": 2}[name]
			sealed, err := NewCipher(session).Seal(nil, b)
			if err != nil {
				t.Fatal(err)
			}
			plain := sealed[header:]
			cipher.NewCBCDecrypter(block, make([]byte, aes.BlockSize)).CryptBlocks(plain, plain)
			padding := 16 + int(plain[15]&0xf)
			if !bytes.Equal(plain[padding:], b[header:]) {
				t.Errorf("%s of %d bytes: padding %d, then % x", name, length, padding, plain[padding:])
			}
		}
	}
}

func TestSealIsRandom(t *testing.T) {
	c, b := NewCipher(NewKey()), frames(make([]byte, 160))["mini"]
	one, _ := c.Seal(nil, b)
	two, _ := c.Seal(nil, b)
	if bytes.Equal(one[2:18], two[2:18]) {
		t.Error("the same frame is sealed to the same bytes")
	}
}

func TestOpenRefuses(t *testing.T) {
	c := NewCipher(NewKey())
	for name, b := range frames(make([]byte, 20)) {
		sealed, _ := c.Seal(nil, b)
		for n := range sealed {
			cut := bytes.Clone(sealed[:n])
			whole := (len(sealed)-n)%aes.BlockSize == 0 // a beginning of whole blocks may open
			if got, err := c.Open(cut); !whole && !errors.Is(err, ErrSealed) {
				t.Errorf("%s cut to %d bytes: opened as % x, %v", name, n, got, err)
			}
		}
	}
	for _, b := range [][]byte{nil, {0, 0, 0x81, 2, 0, 0}, make([]byte, 48)} {
		if _, err := c.Open(b); !errors.Is(err, ErrSealed) {
			t.Errorf("% x: %v", b, err)
		}
		if _, err := c.Seal(nil, b); err == nil {
			t.Errorf("% x was sealed", b)
		}
	}
}

// TestWrongKey: what comes out is not the frame.
func TestWrongKey(t *testing.T) {
	for name, b := range frames(make([]byte, 64)) {
		sealed, _ := NewCipher(NewKey()).Seal(nil, b)
		if got, err := NewCipher(NewKey()).Open(sealed); err == nil && bytes.Equal(got, b) {
			t.Errorf("%s opened with another key", name)
		}
	}
}

func TestCipherAllocatesNothing(t *testing.T) {
	c, b := NewCipher(NewKey()), frames(make([]byte, 160))["mini"]
	out := make([]byte, 0, 400)
	if n := testing.AllocsPerRun(100, func() {
		out, _ = c.Seal(out[:0], b)
		_, _ = c.Open(out)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSign(t *testing.T) {
	private, err := key.Open(filepath.Join(t.TempDir(), key.FileName))
	if err != nil {
		t.Fatal(err)
	}
	public := &private.PublicKey
	result, err := Sign(private, []byte("4711"))
	if err != nil || len(result) > 255 {
		t.Fatalf("result %q, %v: an element holds 255 bytes", result, err)
	}
	if !Signed(public, []byte("4711"), result) {
		t.Error("our signature is refused")
	}
	for name, wrong := range map[string]bool{
		"challenge": Signed(public, []byte("4712"), result),
		"signature": Signed(public, []byte("4711"), result[:len(result)-4]+"AAA="),
		"nothing":   Signed(public, []byte("4711"), ""),
		"text":      Signed(public, []byte("4711"), "not base64!"),
	} {
		if wrong {
			t.Errorf("takes a wrong %s", name)
		}
	}
}

func FuzzOpen(f *testing.F) {
	c := NewCipher([KeyLength]byte{1, 2, 3})
	for _, b := range frames(make([]byte, 30)) {
		sealed, _ := c.Seal(nil, b)
		f.Add(sealed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := c.Open(bytes.Clone(b))
		if err != nil {
			return
		}
		sealed, err := c.Seal(nil, got)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := c.Open(sealed); err != nil || !bytes.Equal(got, again) {
			t.Errorf("% x, then % x, %v", got, again, err)
		}
	})
}
