package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSummaryIsMedianAndSpread(t *testing.T) {
	for _, c := range []struct {
		runs []float64
		want summary
	}{
		{[]float64{3}, summary{3, 3, 3}},
		{[]float64{9, 1, 2}, summary{2, 1, 9}},
		{[]float64{4, 1, 2, 8}, summary{3, 1, 8}},
	} {
		if d := cmp.Diff(c.want, summarize(c.runs), cmp.AllowUnexported(summary{})); d != "" {
			t.Errorf("%v (-want +got):\n%s", c.runs, d)
		}
	}
}

func TestTableSaysWhatMissedItsTarget(t *testing.T) {
	e := experiment{
		key: "k", about: "about", subjects: []subject{{name: "ours"}, {name: "theirs"}},
		figures: []figure{
			{key: "slow", name: "slow", unit: "ms", limit: atMost(2)},
			{key: "fast", name: "fast", unit: "ms", limit: atMost(2)},
			{key: "free", name: "free", unit: "ms"},
		},
	}
	var b strings.Builder
	err := printTable(&b, e, results{
		"slow": {"ours": {3, 3, 3}, "theirs": {2, 2, 2}},
		"fast": {"ours": {1, 1, 1}},
		"free": {"theirs": {1, 1, 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	for i, want := range []string{"about", "ratio", "MISSED", "met", "-"} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d is %q, want %q in it", i, lines[i], want)
		}
	}
	if !strings.Contains(lines[2], "1.50") {
		t.Errorf("no ratio of 1.50 in %q", lines[2])
	}
}

func TestUnknownExperimentIsNamed(t *testing.T) {
	if _, err := choose(experiments(), "call,nonsense"); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("error %v", err)
	}
	chosen, err := choose(experiments(), "start,call")
	if err != nil || len(chosen) != 2 || chosen[0].key != "start" {
		t.Errorf("chose %v, %v", keys(chosen), err)
	}
}
