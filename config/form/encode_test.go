package form

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

type object struct {
	Name  string        `toml:"name"`
	Words []string      `toml:"words,omitempty"`
	Count int           `toml:"count,omitempty"`
	On    bool          `toml:"on"`
	Wait  time.Duration `toml:"wait"`
	Other string        `toml:"-"`
}

func text(lines []Line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.Name + " = " + l.Value + "\n")
	}
	return b.String()
}

func TestLines(t *testing.T) {
	got := text(Lines(&object{Name: "a\"b\\\n\x7fé", Words: []string{"x", "y"}, Wait: time.Minute, Other: "no"}))
	want := `name = "a\"b\\\u000A\u007Fé"
words = ["x", "y"]
on = false
wait = "1m0s"
`
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := object{
			Name:  rapid.String().Draw(t, "name"),
			Words: rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "words"),
			Count: rapid.Int().Draw(t, "count"),
			On:    rapid.Bool().Draw(t, "on"),
			Wait:  time.Duration(rapid.Int64Min(0).Draw(t, "wait")),
		}
		d, err := Parse("x", []byte(text(Lines(in))))
		if err != nil {
			t.Fatal(err)
		}
		var out object
		if f := d.Decode(&out); f != nil {
			t.Fatal(f)
		}
		if d := cmp.Diff(in, out); d != "" {
			t.Error(d)
		}
	})
}
