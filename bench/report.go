package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// figure is what was measured, the median of all rounds; more says whether more of it is better.
type figure struct {
	name   string
	value  float64
	rounds []float64
	unit   string
	more   bool
}

// results are the figures of one server, in the order in which they were measured.
type results struct {
	server  string
	figures []figure
}

// add takes a value. One with the name of another is of another round.
func (r *results) add(name string, value float64, unit string, more bool) {
	f := r.find(name)
	if f == nil {
		r.figures = append(r.figures, figure{name: name, unit: unit, more: more})
		f = &r.figures[len(r.figures)-1]
	}
	f.rounds = append(f.rounds, value)
	sorted := slices.Sorted(slices.Values(f.rounds))
	f.value = (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func (r *results) find(name string) *figure {
	if i := slices.IndexFunc(r.figures, func(f figure) bool { return f.name == name }); i >= 0 {
		return &r.figures[i]
	}
	return nil
}

// table is what a run says of one protocol: the first server is ours.
type table struct {
	title   string
	over    string // how clients connect
	servers []*results
	goals   map[string]goal // beside those that always hold
	notes   []string
}

// row is a line of a table.
type row struct {
	name, unit string
	values     []string // "–" where a server was not measured
	ratio      string
	goal, met  string
}

// rows makes a line per figure, with all servers beside one another and by how much the first is better
// than the best of the others (below 1: worse).
func (t *table) rows() []row {
	var list []row
	for _, f := range t.servers[0].figures {
		r := row{name: f.name, unit: f.unit}
		for _, s := range t.servers {
			text := "–"
			if v := s.find(f.name); v != nil {
				text = number(v.value)
			}
			r.values = append(r.values, text)
		}
		times := ratio(f, t.servers[1:])
		r.ratio = "–"
		if times > 0 {
			r.ratio = fmt.Sprintf("%.1f×", times)
		}
		g, ok := t.goals[f.name]
		if !ok {
			g = goals[f.name]
		}
		r.goal, r.met = g.String(), g.met(f.value, times, t.servers[0])
		list = append(list, r)
	}
	return list
}

func (t *table) head() []string {
	list := []string{""}
	for _, s := range t.servers {
		list = append(list, s.server)
	}
	return append(list, "ratio", "goal", "")
}

func (r row) cells() []string {
	return append(append([]string{r.name + ", " + r.unit}, r.values...), r.ratio, r.goal, r.met)
}

func (t *table) print(out io.Writer) {
	fmt.Fprintf(out, "\n%s\n", t.title)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, strings.Join(t.head(), "\t")+"\t")
	for _, r := range t.rows() {
		fmt.Fprintln(w, strings.Join(r.cells(), "\t")+"\t")
	}
	w.Flush()
	for _, n := range t.notes {
		fmt.Fprintln(out, n)
	}
}

// ratio is how many times better the own figure is than the best peer's; 0 if there is none.
func ratio(own figure, peers []*results) float64 {
	best := 0.0
	for _, p := range peers {
		if f := p.find(own.name); f != nil && f.value > 0 && (best == 0 || own.more == (f.value > best)) {
			best = f.value
		}
	}
	a, b := own.value, best
	if !own.more {
		a, b = best, own.value
	}
	if best == 0 || b <= 0 {
		return 0
	}
	return a / b
}

func quantile(times []time.Duration, q float64) time.Duration {
	times = slices.Sorted(slices.Values(times))
	return times[int(q*float64(len(times)-1))]
}

func number(v float64) string {
	switch {
	case v >= 1000:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
