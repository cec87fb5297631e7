// Package prompt has what the phone server says: recordings by name and
// language, numbers and phrases put together from them by each language's rules,
// and speech for what was never recorded.
//
//	Say("fr", "vm-youhave") ─> folder fr_*/vm-youhave.g722 ─┐
//	        there is none ─> folder en_*/... ───────────────┤
//	        none either ─> its words, spoken ───────────────┼─> deck.Item
//	Speak("zh", "您好") ─> espeak-ng, once; then its cache ──┘
//
// Recordings are Debian's asterisk-core-sounds-*, or anything of the same names
// in a folder of the user's that comes before. An Item is opened when it is
// played, by the player's goroutine: nothing here has one.
package prompt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"tincan/phone/media/deck"
	"tincan/phone/media/file"
)

// Sounds is where Debian installs recordings, a folder for each language and
// voice.
const Sounds = "/usr/share/asterisk/sounds"

// Fallback is the language of a recording that the language asked for lacks.
const Fallback = "en"

// Config says where recordings are; see Library.
type Config struct {
	// Folders have a folder for each language, named by it alone ("fr") or with
	// more ("fr_CA_f_June"); the first that has a recording gives it.
	Folders []string
	// Cache is where speech is kept; it is made.
	Cache string
}

// Library finds recordings. Its methods may be called by any goroutine.
type Library struct {
	config Config
	speech *speech
}

// New makes a library.
func New(c Config) *Library {
	return &Library{config: c, speech: newSpeech(c.Cache)}
}

var (
	languages = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$`)
	names     = regexp.MustCompile(`^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$`)
)

// endings of recordings, the best sounding first.
func endings() []string {
	return []string{".sln48", ".opus", ".wav", ".sln16", ".g722", ".mp3", ".sln", ".alaw", ".ulaw", ".gsm"}
}

// find gives the path of a recording in a language; the error wraps
// fs.ErrNotExist.
func (l *Library) find(language, name string) (string, error) {
	if !languages.MatchString(language) || !names.MatchString(name) {
		return "", fmt.Errorf("prompt %q in language %q: %w: write them as vm-youhave and en", name, language, fs.ErrNotExist)
	}
	for _, folder := range l.config.Folders {
		voices, err := os.ReadDir(folder)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		for _, v := range voices {
			if !speaks(v.Name(), language) {
				continue
			}
			for _, ending := range endings() {
				path := filepath.Join(folder, v.Name(), name+ending)
				if _, err := os.Stat(path); err == nil {
					return path, nil
				}
			}
		}
	}
	return "", fmt.Errorf("prompt %s in language %s: %w in %s: install asterisk-core-sounds-%s-g722, or record it",
		name, language, fs.ErrNotExist, strings.Join(l.config.Folders, ", "), language)
}

// speaks tells whether a folder is of a language: "en_US_f_Allison" is of en and
// en-us.
func speaks(folder, language string) bool {
	language = strings.ToLower(strings.ReplaceAll(language, "-", "_"))
	rest, ok := strings.CutPrefix(strings.ToLower(folder), language)
	return ok && (rest == "" || rest[0] == '_')
}

// Languages are those that there are recordings of.
func (l *Library) Languages() []string {
	var found []string
	for _, folder := range l.config.Folders {
		voices, err := os.ReadDir(folder)
		if err != nil {
			continue
		}
		for _, v := range voices {
			name, _, _ := strings.Cut(v.Name(), "_")
			if v.IsDir() && languages.MatchString(name) && !slices.Contains(found, name) {
				found = append(found, name)
			}
		}
	}
	return found
}

// Say plays a recording by its name, such as vm-youhave or digits/5. Where the
// language has none it is words, spoken; without words the recording in English.
func (l *Library) Say(language, name, words string) deck.Item {
	return func() (file.Reader, error) {
		path, err := l.find(language, name)
		if err == nil {
			return file.Open(path)
		}
		if words != "" {
			r, failed := l.speech.open(language, words)
			if failed == nil {
				return r, nil
			}
			err = errors.Join(err, failed)
		}
		if path, again := l.find(Fallback, name); again == nil {
			return file.Open(path)
		}
		return nil, err
	}
}

// Speak plays a text, spoken in a language.
func (l *Library) Speak(language, text string) deck.Item {
	return func() (file.Reader, error) { return l.speech.open(language, text) }
}
