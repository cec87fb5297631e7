package main

import (
	"context"
	"slices"
	"strings"

	"tincan/phone/codec"
	"tincan/phone/media"
)

// codecs says what this build can turn into another codec, and what it can only
// hand on.
func (x *examination) codecs(context.Context) {
	const check = "codecs"
	what := "made here: " + strings.Join(codec.Made(), ", ")
	lacks := codec.Lacks()
	for _, l := range lacks {
		what += "; " + l.Name + " is only relayed"
	}
	if !media.CanClean() {
		what += "; clean in space.toml does nothing"
	}
	// Opus is what phones and browsers offer first; who lacks it misses something.
	if i := slices.IndexFunc(lacks, func(l codec.Lack) bool { return l.Name == "opus" }); i >= 0 {
		x.warn(check, what, lacks[i].Reason)
		return
	}
	for _, l := range lacks {
		what += " (" + l.Reason + ")"
	}
	x.ok(check, what)
}
