package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// printTable shows an experiment's medians, the spread of the runs in brackets,
// our target, and whether it was met.
func printTable(w io.Writer, e experiment, all results) error {
	if _, err := fmt.Fprintf(w, "\n%s: %s\n", e.key, e.about); err != nil {
		return err
	}
	var lines strings.Builder
	lines.WriteString("figure\tunit\ttarget\t")
	for _, s := range e.subjects {
		lines.WriteString(s.name + "\t")
	}
	lines.WriteString("ratio\t\n")
	for _, f := range e.figures {
		lines.WriteString(strings.Join(row(e, f, all[f.key]), "\t") + "\n")
	}
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	if _, err := io.WriteString(table, lines.String()); err != nil {
		return err
	}
	return table.Flush()
}

// row is a figure's line of the table.
func row(e experiment, f figure, bySubject map[string]summary) []string {
	target, verdict := verdict(e, f, bySubject)
	cells := []string{f.name, f.unit, target}
	for _, s := range e.subjects {
		cell := "-"
		if got, ok := bySubject[s.name]; ok {
			cell = fmt.Sprintf("%.4g [%.4g %.4g]", got.median, got.least, got.most)
		}
		cells = append(cells, cell)
	}
	return append(cells, ratio(e, bySubject), verdict)
}

// verdict is the target in words and whether our median meets it.
func verdict(e experiment, f figure, bySubject map[string]summary) (target, verdict string) {
	if f.limit == nil {
		return "", ""
	}
	limit, target := f.limit(bySubject)
	own, ok := bySubject[e.subjects[0].name]
	switch {
	case !ok:
		return target, "not measured"
	case own.median <= limit:
		return target, "met"
	default:
		return target, "MISSED"
	}
}

// ratio is our median over that of the first peer.
func ratio(e experiment, bySubject map[string]summary) string {
	if len(e.subjects) < 2 {
		return "-"
	}
	own, ok := bySubject[e.subjects[0].name]
	peer, also := bySubject[e.subjects[1].name]
	if !ok || !also || peer.median == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", own.median/peer.median)
}
