package directory

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tincan/secret"
	"tincan/store"
)

// publicKey is one of 1024 bits, made with openssl.
const publicKey = `-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC4w3ax19XSJNRKZgqcRLu0WmMV
n/UZ6thWzJ2Vxn/dtpHJCjG3v6GBQgywFiJH34hvueFFEcKHaM8b68aqUrDHBD/W
ZIusvWYftWTOdEOYEnof5SsmNG7WNqhtOiSbdF6g91OpaSwP1j2JJZQflYY4QZR3
VZcTmr96deQFgvN8BQIDAQAB
-----END PUBLIC KEY-----
`

func TestProtocolProblems(t *testing.T) {
	got := problemsOf(Trunks{}.Check([]TrunkForm{
		{Name: "by-secret", Protocol: "iax2", Accept: "register", Username: "sister", Trunking: truth(true), Encryption: "required"},
		{Name: "by-key", Protocol: "iax2", Address: "host:4569", Username: "us", Key: publicKey, Transfer: truth(true), Match: []string{"192.0.2.1"}},
		{Name: "sip", Accept: "register", Username: "sister"},         // another protocol: another account
		{Name: "sip2", Address: "host", Match: []string{"192.0.2.1"}}, // and another port
		{Name: "both", Protocol: "sip", Address: "host", Key: publicKey, Trunking: truth(false)},
		{
			Name: "odd", Protocol: "iax2", Template: "generic", Address: "host", Proxy: "p", Domain: "d", Transport: "tls", AuthUsername: "a",
			CallerID: "pai", NumberFrom: "to", URI: "tel", ICE: "off", Offer: "late",
		},
		{Name: "keyed", Protocol: "iax2", Address: "host", Key: "hello", Encryption: "required"},
		{Name: "third", Protocol: "iax", Address: "host"},
		{Name: "twice", Protocol: "iax2", Accept: "digest", Address: "host", Username: "sister"},
	}))
	want := `4 key: is of IAX2 alone; leave it out, or write protocol = "iax2"
4 trunking: is of IAX2 alone; leave it out, or write protocol = "iax2"
5 template: is of SIP alone; leave it out: the trunk has protocol = "iax2"
5 proxy: is of SIP alone; leave it out: the trunk has protocol = "iax2"
5 domain: is of SIP alone; leave it out: the trunk has protocol = "iax2"
5 transport: is of SIP alone; leave it out: the trunk has protocol = "iax2"
5 auth_username: is of SIP alone; leave it out: the trunk has protocol = "iax2"
5 caller_id: is of SIP alone; leave it out: the trunk has protocol = "iax2"
5 number_from: is of SIP alone; leave it out: the trunk has protocol = "iax2"
5 uri: is of SIP alone; leave it out: the trunk has protocol = "iax2"
5 ice: is of SIP alone; leave it out: the trunk has protocol = "iax2"
5 offer: is of SIP alone; leave it out: the trunk has protocol = "iax2"
6 key: is no PEM block: give the whole file that begins with "-----BEGIN PUBLIC KEY-----"; give the other side's public half in PEM, between ''' and '''
6 key: is of no account; write its username too
6 encryption: "required" needs a secret beside the key: the key of a call is made of it; write a secret too, the same on both sides
7 protocol: "iax" is not known; write "iax2" instead
8 username: "sister" is trunk "by-secret"'s already; write another`
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Each protocol finds its own trunks, by account and by source.
func TestProtocolsAreApart(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	must(t, Migrate(t.Context(), s))
	box, err := secret.Open(dir)
	must(t, err)
	trunks := []TrunkForm{
		{Name: "iax", Protocol: "iax2", Accept: "register", Username: "near", Secret: "hunter2", Match: []string{"192.0.2.1"}, Trunking: truth(true)},
		{Name: "keyed", Protocol: "iax2", Address: "host", Username: "us", Key: publicKey},
		{Name: "sip", Accept: "register", Username: "far", Secret: "hunter3", Match: []string{"192.0.2.1"}},
	}
	extensions := []ExtensionForm{{Number: "101", Secret: "pw101", IAX2: true}, {Number: "102", Secret: "pw102"}}
	for i := range trunks {
		if text, where := (Trunks{}).Secret(&trunks[i]); text != nil {
			*text = box.Seal([]byte(*text), where)
		}
	}
	for i := range extensions {
		text, where := Extensions{}.Secret(&extensions[i])
		*text = box.Seal([]byte(*text), where)
	}
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		if err := (Extensions{}).Write(tx, extensions, nil); err != nil {
			return err
		}
		return Trunks{}.Write(tx, trunks, nil)
	}))
	d, err := Open(t.Context(), s, box, "tincan")
	must(t, err)
	snap, src := d.Snapshot(), netip.MustParseAddrPort("192.0.2.1:4569")

	if _, ok := snap.Account("near"); ok {
		t.Error("SIP takes the account of an IAX2 trunk")
	}
	if _, ok := snap.IAX2TrunkByUser("far"); ok {
		t.Error("IAX2 takes the account of a SIP trunk")
	}
	iax, ok := snap.IAX2TrunkByUser("near")
	if !ok || iax.Name != "iax" || iax.Password() != "hunter2" || !iax.Trunking || !snap.Registers(iax.Ref()) {
		t.Errorf("IAX2 trunk %v", iax)
	}
	if got, _ := snap.IAX2TrunkFor(src); got != iax {
		t.Errorf("by IAX2 %s is %v's", src, got)
	}
	if got, _ := snap.TrunkFor(src); got == nil || got.Name != "sip" {
		t.Errorf("by SIP %s is %v's", src, got)
	}
	if keyed, _ := snap.Trunk("keyed"); keyed.Key == nil || keyed.Password() != "" {
		t.Errorf("keyed trunk has key %v", keyed.Key)
	}
	one, _ := snap.Extension("101")
	two, _ := snap.Extension("102")
	if one.Password() != "pw101" || two.Password() != "" || strings.Contains(one.String()+one.LogValue().String(), "pw101") {
		t.Error("the plain secret is kept of extensions with IAX2, and of those alone")
	}
}

func TestBindingsByProtocol(t *testing.T) {
	b, err := OpenBindings(t.Context(), open(t, t.TempDir()))
	must(t, err)
	sip := Binding{Contact: "sip:a@192.0.2.1", Transport: "udp", Received: netip.MustParseAddrPort("192.0.2.1:5060")}
	iax := Binding{Contact: "iax2:101@192.0.2.1:4569", Transport: TransportIAX2, Received: netip.MustParseAddrPort("192.0.2.1:4569")}
	done := make(chan error, 1)
	b.Update("101", []Binding{sip, iax}, nil, func(err error) { done <- err })
	must(t, <-done)
	b.Update("102", []Binding{sip}, nil, func(err error) { done <- err })
	must(t, <-done)
	names := func(list []Binding) (names []string) {
		for _, x := range list {
			names = append(names, x.Contact)
		}
		return names
	}
	for _, c := range []struct{ got, want []string }{
		{names(b.SIP("101")), []string{sip.Contact}},
		{names(b.IAX2("101")), []string{iax.Contact}},
		{names(b.SIP("102")), []string{sip.Contact}},
		{names(b.IAX2("102")), nil},
		{names(b.SIP("103")), nil},
	} {
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Error(d)
		}
	}
}
