package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"tincan/config"
	"tincan/phone/media/prompt"
	"tincan/phone/media/tones"
)

// sound says what people would miss of what the server itself says and plays.
func (x *examination) sound(context.Context) {
	const check = "sound"
	s := x.cfg.Sound
	if _, err := tones.Find(s.Country, "busy"); err != nil {
		x.fail(check, "[sound] country: "+err.Error(), "write one of those")
		return
	}
	good := true
	missing := func(what, do string) {
		good = false
		x.warn(check, what, do)
	}
	spoken := prompt.New(prompt.Config{Folders: promptFolders(x.cfg)}).Languages()
	if !slices.Contains(spoken, s.Language) {
		missing(fmt.Sprintf("there are no recordings in language %s: they are spoken, or in English", s.Language),
			"apt install asterisk-core-sounds-"+s.Language+"-g722, if there is one")
	}
	for _, p := range []struct{ program, what string }{
		{"espeak-ng", "what has no recording cannot be spoken"}, {"mpg123", "MP3 cannot be played"},
	} {
		if _, err := exec.LookPath(p.program); err != nil {
			missing(p.what, "apt install "+p.program)
		}
	}
	if s.Music != "" && !strings.Contains(s.Music, "://") {
		if _, err := os.Stat(s.Music); err != nil {
			do := "put files there, or set [sound] music"
			if s.Music == config.DebianMusic {
				do = "apt install asterisk-moh-opsound-g722, or set [sound] music"
			}
			missing("who is on hold hears silence: there is no folder "+s.Music, do)
		}
	}
	if good {
		x.ok(check, "recordings in "+strings.Join(spoken, ", ")+"; speech, MP3 and music on hold")
	}
}
