package prompt

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tincan/phone/media/deck"
	"tincan/phone/media/file"
)

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		language string
		n        int
		g        Gender
		want     string // without digits/
	}{
		{"en", 0, Plain, "0"},
		{"en", 13, Plain, "13"},
		{"en", 21, Plain, "20 1"},
		{"en", 999, Plain, "9 hundred 90 9"},
		{"en", 1000, Plain, "1 thousand"},
		{"en", 123456, Plain, "1 hundred 20 3 thousand 4 hundred 50 6"},
		{"es", 1, Masculine, "1M"},
		{"es", 1, Feminine, "1F"},
		{"es", 21, Plain, "21"},
		{"es", 31, Masculine, "30 and 1M"},
		{"es", 45, Plain, "40 and 5"},
		{"es", 100, Plain, "hundred"},
		{"es", 115, Plain, "100-and 15"},
		{"es", 1500, Plain, "thousand 500"},
		{"es", 2000, Plain, "2 thousand"},
		{"fr", 21, Plain, "20 et 1"},
		{"fr", 61, Plain, "60 et 1"},
		{"fr", 70, Plain, "70"},
		{"fr", 71, Plain, "60 et 11"},
		{"fr", 79, Plain, "60 19"},
		{"fr", 80, Plain, "80"},
		{"fr", 81, Plain, "80 1"},
		{"fr", 99, Plain, "80 19"},
		{"fr", 100, Plain, "hundred"},
		{"fr", 280, Plain, "2 hundred 80"},
		{"fr", 1001, Plain, "thousand 1"},
		{"it", 1, Masculine, "un"},
		{"it", 21, Plain, "21"},
		{"it", 28, Plain, "28"},
		{"it", 33, Plain, "30 3"},
		{"it", 1000, Plain, "thousand"},
		{"it", 2100, Plain, "2 thousands hundred"},
		{"ru", 1, Neuter, "1n"},
		{"ru", 21, Neuter, "20 1n"},
		{"ru", 11, Neuter, "11"},
		{"ru", 142, Plain, "hundred 40 2"},
	} {
		words, ok := numberWords(c.language, c.n, c.g)
		got := strings.ReplaceAll(strings.Join(words, " "), "digits/", "")
		if !ok || got != c.want {
			t.Errorf("%s %d: %q (%v), want %q", c.language, c.n, got, ok, c.want)
		}
	}
	for _, c := range []struct {
		language string
		n        int
	}{{"de", 5}, {"en", -1}, {"en", MostNumber + 1}, {"ru", 200}, {"ru", 5000}, {"es", 21000}} {
		if words, ok := numberWords(c.language, c.n, Plain); ok {
			t.Errorf("%s %d: %q, want speech", c.language, c.n, words)
		}
	}
}

// library is one with Debian's recordings.
func library(t *testing.T) *Library {
	t.Helper()
	if _, err := os.Stat(Sounds); err != nil {
		if os.Getenv("TINCAN_REQUIRE_PEERS") != "" {
			t.Fatal(err)
		}
		t.Skipf("NOT TESTED: %v", err)
	}
	return New(Config{Folders: []string{Sounds}, Cache: filepath.Join(t.TempDir(), "speech")})
}

// Every word of every number and phrase is there as a recording.
func TestRecordingsAreThere(t *testing.T) {
	l := library(t)
	for _, language := range []string{"en", "es", "fr", "it", "ru"} {
		missing := map[string]bool{}
		look := func(words []string) {
			for _, w := range words {
				if _, err := l.find(language, w); err != nil {
					missing[w] = true
				}
			}
		}
		for n := range 2000 {
			for _, g := range []Gender{Plain, messageGender(language)} {
				words, _ := numberWords(language, n, g)
				look(words)
			}
			look([]string{messageWord(language, n)})
		}
		look(append(noMessages(language), "vm-youhave", "beep", "conf-onlyperson"))
		if len(missing) > 0 {
			t.Errorf("%s: there is no recording of %v", language, missing)
		}
	}
	if got := l.Languages(); len(got) < 5 {
		t.Errorf("languages: %v", got)
	}
}

// length opens items and gives how long they sound, and how loud.
func length(t *testing.T, items ...deck.Item) (seconds, loudness float64) {
	t.Helper()
	var power, n float64
	for i, item := range items {
		r, err := item()
		if err != nil {
			t.Fatalf("item %d: %v", i, err)
		}
		buf := make([]int16, 1000)
		for {
			k, err := r.Read(buf)
			for _, v := range buf[:k] {
				power, n = power+float64(v)*float64(v), n+1
			}
			seconds += float64(k) / float64(r.Rate())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("item %d: %v", i, err)
			}
		}
		_ = r.Close()
	}
	return seconds, math.Sqrt(power / n)
}

func TestMessages(t *testing.T) {
	l := library(t)
	if _, err := exec.LookPath(speaker); err != nil && os.Getenv("TINCAN_REQUIRE_PEERS") == "" {
		t.Skipf("NOT TESTED: %v", err)
	}
	for _, language := range []string{"en", "es", "fr", "it", "ru", "zh", "de", "pt"} {
		for _, n := range []int{0, 1, 3, 21} {
			if seconds, loud := length(t, l.Messages(language, n)...); seconds < 0.8 || seconds > 6 || loud < 200 {
				t.Errorf("%s, %d messages: %.1f s, loudness %.0f", language, n, seconds, loud)
			}
		}
	}
}

func TestSpeech(t *testing.T) {
	l := library(t)
	if _, err := exec.LookPath(speaker); err != nil && os.Getenv("TINCAN_REQUIRE_PEERS") == "" {
		t.Skipf("NOT TESTED: %v", err)
	}
	if seconds, loud := length(t, l.Speak("zh", "三号分机没有人接听")); seconds < 1 || loud < 200 {
		t.Errorf("%.1f s, loudness %.0f", seconds, loud)
	}
	cached, err := os.ReadDir(l.config.Cache)
	if err != nil || len(cached) != 1 {
		t.Fatalf("%d files in the cache, %v", len(cached), err)
	}
	before, _ := cached[0].Info()
	length(t, l.Speak("zh", "三号分机没有人接听"))
	again, _ := os.ReadDir(l.config.Cache)
	if info, err := again[0].Info(); len(again) != 1 || err != nil || !info.ModTime().After(before.ModTime()) {
		t.Error("what is in the cache was not used")
	}
	for _, c := range []struct{ language, text string }{
		{"en", ""}, {"en", strings.Repeat("a", MostText+1)}, {"../../x", "a"}, {"-w", "a"}, {"en", "--help"},
	} {
		r, err := l.Speak(c.language, c.text)()
		if c.text == "--help" { // is a text as any other
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if !errors.Is(err, ErrSpeech) || r != nil {
			t.Errorf("%.20q in %q: %v", c.text, c.language, err)
		}
	}
}

// A recording of the user's own comes first, another language's last, and names
// do not leave the folders.
func TestWhereRecordingsAre(t *testing.T) {
	dir := t.TempDir()
	for path, n := range map[string]int{"own/fr/hello.wav": 800, "sys/fr_CA_f_June/hello.wav": 1600, "sys/en_US/beep.wav": 2400, "secret.wav": 8000} {
		full := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			t.Fatal(err)
		}
		w, err := file.Create(full, 8000, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Write(make([]int16, n)), w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	l := New(Config{Folders: []string{filepath.Join(dir, "own"), filepath.Join(dir, "sys")}, Cache: filepath.Join(dir, "cache")})
	got := map[string]float64{}
	for _, name := range []string{"hello", "beep"} {
		got[name], _ = length(t, l.Say("fr", name, ""))
	}
	if d := cmp.Diff(map[string]float64{"hello": 0.1, "beep": 0.3}, got); d != "" {
		t.Error(d)
	}
	for _, name := range []string{"../../secret", "/etc/passwd", "", "nobody-said-this", "a//b"} {
		if _, err := l.Say("fr", name, "")(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestFolderOfALanguage(t *testing.T) {
	for _, c := range []struct {
		folder, language string
		is               bool
	}{
		{"en", "en", true},
		{"en_US_f_Allison", "en", true},
		{"en_US_f_Allison", "en-us", true},
		{"pt_BR_f", "pt-br", true},
		{"pt_BR_f", "pt-BR", true},
		{"pt", "pt-BR", false},
		{"enochian", "en", false},
		{"en_USA", "en-us", false},
	} {
		if got := speaks(c.folder, c.language); got != c.is {
			t.Errorf("folder %s is of %s: %v", c.folder, c.language, got)
		}
	}
}
