package form

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type sample struct {
	Name  string         `toml:"name"`
	Count uint8          `toml:"count"`
	Level int            `toml:"level"`
	Ratio float64        `toml:"ratio"`
	On    bool           `toml:"on"`
	Wait  time.Duration  `toml:"wait"`
	Nets  []netip.Prefix `toml:"nets"`
	Words []string       `toml:"words"`
	Sub   struct {
		Port uint16 `toml:"port"`
	} `toml:"sub"`
	Item []struct {
		Number string `toml:"number"`
	} `toml:"item"`
	Hidden string `toml:"-"`
}

func decode(t *testing.T, text string) (sample, Faults) {
	t.Helper()
	d, err := Parse("x.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var s sample
	f := d.Decode(&s)
	f.Sort()
	return s, f
}

func TestDecode(t *testing.T) {
	got, faults := decode(t, `
name = "a"
count = 255
level = -3
ratio = 2
on = true
wait = "1m30s"
nets = ["10.0.0.0/8"] # a comment
words = ["x",
  # another
  "y"]
sub.port = 1
[[item]]
number = "1"
[[item]]
number = "2"
`)
	if faults != nil {
		t.Fatal(faults)
	}
	want := sample{
		Name: "a", Count: 255, Level: -3, Ratio: 2, On: true, Wait: 90 * time.Second,
		Nets: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Words: []string{"x", "y"},
	}
	want.Sub.Port = 1
	want.Item = append(want.Item, struct {
		Number string `toml:"number"`
	}{"1"}, struct {
		Number string `toml:"number"`
	}{"2"})
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
		t.Error(d)
	}
}

func TestAllFaultsAtOnceWithTheirPlaces(t *testing.T) {
	_, faults := decode(t, `nmae = "a"
name = 3
count = 256
  wait = "soon"
nets = ["10.0.0.0/8", "ten"]
words = "x"
on = 1
Hidden = "x"
zzzzzzzzz = 1
[sub]
port = -1
[subb]
[[item]]
number = 1
[[item]]
numbr = "2"
`)
	want := `x.toml:1:1: key "nmae": is not known; write "name" instead
x.toml:2:1: key "name": is a whole number, not a string; write name = "..." instead
x.toml:3:1: key "count": 256 is out of range; write a number from 0 to 255 instead
x.toml:4:3: key "wait": "soon" is not a time; write a time such as "30s", "5m" or "1h" instead
x.toml:5:23: key "nets[1]": "ten" is not a network; write a network such as "10.0.0.0/8" or "fd00::/8" instead
x.toml:6:1: key "words": is a string, not a list; write words = ["...", "..."] instead
x.toml:7:1: key "on": is a whole number, not true or false; write on = true instead
x.toml:8:1: key "Hidden": is not known; write one of count, item, level, name, nets, on, ratio, sub, wait, words instead, or remove it
x.toml:9:1: key "zzzzzzzzz": is not known; write one of count, item, level, name, nets, on, ratio, sub, wait, words instead, or remove it
x.toml:11:1: key "sub.port": -1 is out of range; write a number from 0 to 65535 instead
x.toml:12:2: key "subb": is not known; write "sub" instead
x.toml:14:1: key "item[0].number": is a whole number, not a string; write number = "..." instead
x.toml:16:1: key "item[1].numbr": is not known; write "number" instead`
	if d := cmp.Diff(want, faults.Error()); d != "" {
		t.Error(d)
	}
}

func TestPlacesInside(t *testing.T) {
	d, err := Parse("x.toml", []byte("item = [{ number = \"1\" },\n {number = \"2\"}]\n[a]\n[[a.b]]\n[[a.b]]\n[a.b.c]\nd = 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]place{
		"item[1].number": {2, 3}, "item[0].other": {1, 9}, "a.b[0]": {4, 5}, "a.b[1].c.d": {7, 1}, "nowhere": {},
	} {
		if got := d.at(path); got != want {
			t.Errorf("%s at %v, want %v", path, got, want)
		}
	}
}

func TestSyntax(t *testing.T) {
	for text, want := range map[string]string{
		"a = \n":         "x.toml:1:",
		"a = 1\na = 2\n": "x.toml:",
		"[a\n":           "x.toml:1:",
	} {
		_, err := Parse("x.toml", []byte(text))
		if err == nil || len(err.Error()) < len(want) || err.Error()[:len(want)] != want {
			t.Errorf("%q: %v; want %s", text, err, want)
		}
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"number", "name", "secret"}
	for word, want := range map[string]string{
		"nubmer": `write "number" instead`,
		"Name":   `write "name" instead`,
		"pin":    "write one of number, name, secret instead, or remove it",
	} {
		if got := Suggest(word, known); got != want {
			t.Errorf("%s: %s", word, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a = 1\n[[b]]\nc = [{d = 1}]\n")
	f.Add("[a.b]\n\"x y\".z = 1979-05-27\n")
	f.Add("item = [[1], [\"x\", {number = 2}]]")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse("x", []byte(text))
		if err != nil {
			return
		}
		var s sample
		for _, fault := range d.Decode(&s) {
			if fault.Line == 0 || fault.What == "" {
				t.Errorf("a fault without a place: %v", fault)
			}
		}
	})
}
