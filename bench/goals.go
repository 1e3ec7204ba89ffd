package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// The figures that have goals.
const (
	figWindow1      = "messages, window 1"
	figWindow1CPU   = "messages, window 1: processor time"
	figArchived     = "messages, window 1, archive on"
	figArchivedCPU  = "messages, window 1, archive on: processor time"
	figWindow16     = "messages, window 16"
	figChange       = "one change, until all viewers have it, p99"
	figStorm        = "presence storm, deliveries"
	figInitial      = "initial presence of all"
	figSignIn       = "sign-ins, SCRAM-SHA-256"
	figIdle         = "memory per idle session"
	figRoster       = "first roster of a big group"
	figRosterGrowth = "memory that such rosters leave"
	figReading      = "others' p99, with that client reading"
	figStalled      = "others' p99, with a client that stops reading"
)

// goal is what a figure is to reach: to be so many times better than the best peer, to be at most so much, or to be no
// more than another figure of the same server, its control.
type goal struct {
	times   float64
	most    float64
	control string
}

// alike is how many times its control a figure may be: two runs of the same differ by as much.
const alike = 1.5

// The goals. Those of memory depend on how clients connect.
var (
	goals = map[string]goal{
		figWindow1:      {times: 5},
		figWindow1CPU:   {times: 6},
		figArchived:     {times: 4},
		figArchivedCPU:  {times: 4},
		figWindow16:     {times: 15},
		figChange:       {times: 2},
		figStorm:        {times: 30},
		figInitial:      {times: 20},
		figRoster:       {most: 150},
		figRosterGrowth: {most: 16},
		figStalled:      {control: figReading},
	}
	goalsPlain = map[string]goal{figIdle: {most: 12}}
	goalsTLS   = map[string]goal{figIdle: {most: 34}, figSignIn: {times: 3}}
)

func (g goal) String() string {
	switch {
	case g.times > 0:
		return fmt.Sprintf("≥ %g×", g.times)
	case g.most > 0:
		return fmt.Sprintf("≤ %g", g.most)
	case g.control != "":
		return "no effect"
	}
	return ""
}

// met says "met", "not met", or nothing if that is not known. The server is the figure's.
func (g goal) met(own, ratio float64, server *results) string {
	switch {
	case g.times > 0 && ratio > 0:
		return yes(ratio >= g.times)
	case g.most > 0:
		return yes(own <= g.most)
	case g.control != "":
		if c := server.find(g.control); c != nil {
			return yes(own <= alike*c.value)
		}
	}
	return ""
}

func yes(met bool) string {
	if met {
		return "met"
	}
	return "not met"
}

// printGoals prints the last table: every goal and whether it is met.
func printGoals(out io.Writer, tables []table) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\nGoals\n")
	for _, t := range tables {
		for _, row := range t.rows() {
			if row.goal == "" {
				continue
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", row.met, t.over, row.name, row.values[0], row.ratio, row.goal)
		}
	}
	w.Flush()
}
