package main

import (
	"regexp"
	"strings"
	"testing"
)

// How a party is treated is said when it is added, shown in the list, and kept.
func TestTreatmentOfParties(t *testing.T) {
	eitherWay(t, func(t *testing.T, p *place) {
		p.run("extension", "add", "105", "--dtmf", "inband", "--clean", "noise,echo", "--offer", "late")
		p.run("extension", "add", "106", "--dtmf", "auto", "--offer", "early")
		p.run("trunk", "add", "far", "--address", "198.51.100.7", "--clean", "level", "--offer", "late")
		for list, want := range map[string]string{
			"extension": `(?m)^105 .* dtmf inband; clean echo, noise; offer late$[\s\S]*^106 .* -$`,
			"trunk":     `(?m)^far .* clean level; offer late$`,
		} {
			if got := p.run(list, "list"); !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("%s list:\n%s", list, got)
			}
		}
		if got := p.run("export"); strings.Count(got, `offer = "late"`) != 2 || strings.Count(got, `dtmf = "inband"`) != 1 {
			t.Errorf("exported\n%s", got)
		}
		const want = "dtmf: \"tones\" is not known; write one of auto, inband, info instead, or remove it\nclean: \"ecco\" is not known; write \"echo\" instead"
		if got := p.refused("extension", "add", "107", "--dtmf", "tones", "--clean", "ecco"); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	})
}
