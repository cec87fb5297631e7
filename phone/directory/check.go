package directory

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"tincan/config/form"
	"tincan/secret"
)

// maxCodecs bounds a list of codecs: there are not that many.
const maxCodecs = 32

// codecNames are the audio codecs that may be allowed, by their names in SDP in
// lower case. The server relays them all; it transcodes fewer.
var codecNames = []string{
	"amr", "amr-wb", "codec2", "evs", "g722", "g723", "g726-16", "g726-24", "g726-32", "g726-40",
	"g729", "gsm", "ilbc", "l16", "opus", "pcma", "pcmu", "speex",
}

// otherNames are what people and other servers call some of them.
var otherNames = map[string]string{
	"alaw": "pcma", "g711a": "pcma", "ulaw": "pcmu", "mulaw": "pcmu", "g711u": "pcmu", "slin": "l16",
	"g7221": "g722", "g729a": "g729", "g726": "g726-32", "g723.1": "g723",
}

// problems gathers what is wrong with a list of objects.
type problems struct {
	index int // of the object looked at
	found []form.Problem
}

func (p *problems) add(field, what, fix string) {
	p.found = append(p.found, form.Problem{Index: p.index, Field: field, What: what, Fix: fix})
}

func (p *problems) name(field, name string) {
	switch {
	case utf8.RuneCountInString(name) > maxName:
		p.add(field, fmt.Sprintf("has more than %d letters", maxName), "write a shorter one instead")
	case strings.ContainsFunc(name, unicode.IsControl):
		p.add(field, "has a control character", "write it on one line instead")
	}
}

func (p *problems) secret(text string) {
	switch {
	case text == "" || secret.IsSealed(text):
	case len(text) > maxSecret:
		p.add("secret", fmt.Sprintf("has more than %d bytes", maxSecret), "write a shorter one instead")
	case strings.ContainsFunc(text, unicode.IsControl):
		p.add("secret", "has a control character, which no phone can be given", "write it without")
	}
}

func (p *problems) codecs(list []string) {
	if len(list) > maxCodecs {
		p.add("codecs", fmt.Sprintf("has %d codecs, more than %d", len(list), maxCodecs), "remove some")
		return
	}
	for i, c := range list {
		field := fmt.Sprintf("codecs[%d]", i)
		switch {
		case slices.Contains(list[:i], c):
			p.add(field, fmt.Sprintf("%q comes twice", c), "remove one")
		case slices.Contains(codecNames, c):
		case otherNames[strings.ToLower(c)] != "":
			p.add(field, fmt.Sprintf("codec %q is not known", c), fmt.Sprintf("write %q instead", otherNames[strings.ToLower(c)]))
		default:
			p.add(field, fmt.Sprintf("codec %q is not known", c), form.Suggest(c, codecNames))
		}
	}
}
