package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"
)

// Where the results are shown.
const (
	docsPage = "docs/benchmarks.md"
	docsPlot = "docs/growth.svg"
	docsMark = "<!-- Below: the latest run, written by make bench-docs. -->\n"
)

// writeDocs replaces the tables of the latest run in the page, and the plot.
func writeDocs(tables []table, g growth, took time.Duration) error {
	page, err := os.ReadFile(docsPage)
	if err != nil {
		return err
	}
	text, _, found := bytes.Cut(page, []byte(docsMark))
	if !found {
		return fmt.Errorf("%s has no mark", docsPage)
	}
	var b strings.Builder
	b.Write(text)
	b.WriteString(docsMark)
	fmt.Fprintf(&b, "\nMeasured on %s in %s.\n", time.Now().UTC().Format(time.DateOnly), took.Round(time.Second))
	for _, t := range tables {
		t.markdown(&b)
	}
	g.markdown(&b)
	if err := os.WriteFile(docsPage, []byte(b.String()), 0o644); err != nil {
		return err
	}
	if len(g.memory) == 0 || len(g.changes) == 0 {
		return nil // the plot of an earlier run stays
	}
	return os.WriteFile(docsPlot, []byte(g.svg()), 0o644)
}

func (t *table) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n### %s\n\n| %s |\n|---%s|\n", t.title, strings.Join(t.head(), " | "), strings.Repeat("|---:", len(t.head())-1))
	for _, r := range t.rows() {
		fmt.Fprintf(b, "| %s |\n", strings.Join(r.cells(), " | "))
	}
	for _, n := range t.notes {
		fmt.Fprintf(b, "\n%s\n", n)
	}
}

func (g *growth) markdown(b *strings.Builder) {
	if len(g.memory) == 0 {
		return
	}
	b.WriteString("\n### Growth\n")
	for _, m := range g.memory {
		fmt.Fprintf(b, "\n| idle sessions, %s | MB | kB each |\n|---:|---:|---:|\n", m.over)
		for i, n := range m.sessions {
			fmt.Fprintf(b, "| %d | %.1f | %s |\n", n, m.bytes[i]/1e6, m.each(i))
		}
	}
	if len(g.changes) > 0 {
		b.WriteString("\n| viewers of one change | ms until all have it, p50 | processor time, µs | µs a viewer |\n|---:|---:|---:|---:|\n")
		for _, c := range g.changes {
			fmt.Fprintf(b, "| %d | %.2f | %.0f | %.2f |\n", c.viewers, c.p50, c.cpu, c.cpu/float64(c.viewers))
		}
	}
}
