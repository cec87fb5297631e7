package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tincan/config"
	"tincan/phone/app"
	"tincan/phone/app/conference"
	"tincan/phone/media"
	"tincan/phone/media/deck"
	"tincan/phone/media/prompt"
	"tincan/phone/media/tones"
)

// warnOfCleaning says whose sound is to be cleaned by a build that cannot.
func (s *server) warnOfCleaning() {
	if parties := s.directory.Snapshot().Cleaned(); len(parties) > 0 && !media.CanClean() {
		s.log.Warn("this program was built without libspeexdsp: clean in space.toml does nothing; scripts/deps codecs, then make build",
			"parties", strings.Join(parties, ", "))
	}
}

// openSound makes what people hear from the server itself. [sound] is read at the
// start alone.
func (s *server) openSound(cfg *config.Config) error {
	if _, err := tones.Find(cfg.Sound.Country, "busy"); err != nil {
		return fmt.Errorf("[sound] country: %w", err)
	}
	s.recordings = orIn(cfg.Sound.Recordings, cfg.Data, "recordings")
	s.prompts = prompt.New(prompt.Config{
		Folders: promptFolders(cfg),
		Cache:   filepath.Join(cfg.Data, "speech"),
	})
	s.hold = s.music(cfg.Sound.Music)
	s.rooms = conference.New(s.media, &s.bus)
	s.apps = app.New(app.Config{
		Media: s.media, Rooms: s.rooms, Prompts: s.prompts, Music: s.hold,
		Language: cfg.Sound.Language, Country: cfg.Sound.Country, Quiet: cfg.Sound.Missing == "silence",
		Recordings: s.recordings, Bus: &s.bus, Logger: s.log,
	})
	return nil
}

// promptFolders are where recordings are, the user's own first.
func promptFolders(cfg *config.Config) []string {
	return []string{orIn(cfg.Sound.Prompts, cfg.Data, "sounds"), prompt.Sounds}
}

func orIn(path, folder, name string) string {
	if path != "" {
		return path
	}
	return filepath.Join(folder, name)
}

// music gives what is heard on hold. Debian's folder may be left out.
func (s *server) music(where string) func() (media.Source, bool) {
	if where == config.DebianMusic {
		if _, err := os.Stat(where); err != nil {
			where = ""
		}
	}
	if where == "" {
		return func() (media.Source, bool) { return media.Source{}, false }
	}
	station := deck.NewStation(func() *deck.Player {
		return deck.Music(where, func(err error) { s.log.Warn("music on hold cannot be played", "error", err) })
	})
	return func() (media.Source, bool) { return station.Listen(), true }
}
