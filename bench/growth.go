package main

import (
	"context"
	"fmt"
	"io"
	"syscall"
	"text/tabwriter"
)

// growth is how costs rise with size: our own server's only.
type growth struct {
	memory  []memoryGrowth // a series for each kind of connection
	changes []changeCost
}

// memoryGrowth is resident memory at so many idle sessions.
type memoryGrowth struct {
	over     string
	sessions []int
	bytes    []float64
}

// changeCost is what one change of presence costs at so many viewers.
type changeCost struct {
	viewers int
	p50     float64 // ms until all have it
	cpu     float64 // µs of the server
}

// otherFiles are the file descriptors that are not sessions'; the server keeps 256 for itself.
const otherFiles = 300

// sessionsPossible is n, or as many sessions as this process and a server can have with their file descriptors.
func sessionsPossible(n int) int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Max > uint64(n)+otherFiles {
		return n
	}
	return int(limit.Max) - otherFiles
}

// viewers takes the cost of a change at rising numbers of viewers.
func viewers(ctx context.Context, b *bench) error {
	first := 0
	for _, n := range b.o.watching {
		if err := b.costOfChange(ctx, first, n); err != nil {
			return err
		}
		first += n + 1
	}
	return nil
}

func (b *bench) costOfChange(ctx context.Context, first, viewers int) error {
	const changes = 200
	group, err := b.gather(ctx, first, viewers+1)
	defer closeAll(group)
	if err != nil {
		return err
	}
	times, cpu, err := b.changes(ctx, group, changes)
	if err != nil {
		return err
	}
	b.grown.changes = append(b.grown.changes, changeCost{viewers, quantile(times, 0.5).Seconds() * 1000, microseconds(cpu, changes)})
	return nil
}

func (g *growth) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, m := range g.memory {
		fmt.Fprintf(w, "\nIdle sessions, %s\tMB\tkB each\t\n", m.over)
		for i, n := range m.sessions {
			fmt.Fprintf(w, "%d\t%.1f\t%s\t\n", n, m.bytes[i]/1e6, m.each(i))
		}
	}
	if len(g.changes) > 0 {
		fmt.Fprint(w, "\nViewers of one change\tms until all have it, p50\tprocessor time, µs\tµs a viewer\t\n")
		for _, c := range g.changes {
			fmt.Fprintf(w, "%d\t%.2f\t%.0f\t%.2f\t\n", c.viewers, c.p50, c.cpu, c.cpu/float64(c.viewers))
		}
	}
	w.Flush()
}

// each is what a session costs at the i-th size, in kB.
func (m *memoryGrowth) each(i int) string {
	if m.sessions[i] == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f", (m.bytes[i]-m.bytes[0])/float64(m.sessions[i])/1000)
}
