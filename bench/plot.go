package main

import (
	"fmt"
	"math"
	"strings"
)

// series is one line of a panel.
type series struct {
	label, color string
	x, y         []float64
}

// The plot: two panels beside one another, in pixels.
const (
	panelWidth, panelHeight = 420, 300
	marginLeft, marginTop   = 64, 44
	marginRight, marginFoot = 20, 56
)

// svg draws memory over sessions, and the cost of a change over its viewers, each with the straight line that
// fits best: points on the line are linear growth.
func (g *growth) svg() string {
	var memory, cost []series
	colors := []string{"#1f77b4", "#d62728"}
	for i, m := range g.memory {
		s := series{label: m.over, color: colors[i%len(colors)]}
		for j, n := range m.sessions {
			s.x, s.y = append(s.x, float64(n)), append(s.y, m.bytes[j]/1e6)
		}
		memory = append(memory, s)
	}
	cpu := series{label: "processor time, µs", color: "#2ca02c"}
	for _, c := range g.changes {
		cpu.x, cpu.y = append(cpu.x, float64(c.viewers)), append(cpu.y, c.cpu)
	}
	cost = append(cost, cpu)
	var b strings.Builder
	width := 2 * (panelWidth + marginLeft + marginRight)
	height := panelHeight + marginTop + marginFoot
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	panel(&b, 0, "Resident memory, MB", "idle sessions", memory)
	panel(&b, width/2, "One change of presence, µs of the server", "viewers", cost)
	b.WriteString("</svg>\n")
	return b.String()
}

// panel draws one coordinate system with its lines.
func panel(b *strings.Builder, left int, title, xTitle string, list []series) {
	var xMax, yMax float64
	for _, s := range list {
		for i := range s.x {
			xMax, yMax = max(xMax, s.x[i]), max(yMax, s.y[i])
		}
	}
	xStep, yStep := step(xMax), step(yMax)
	xMax, yMax = math.Ceil(xMax/xStep)*xStep, math.Ceil(yMax/yStep)*yStep
	px := func(x float64) float64 { return float64(left+marginLeft) + x/xMax*panelWidth }
	py := func(y float64) float64 { return marginTop + panelHeight - y/yMax*panelHeight }
	fmt.Fprintf(b, `<text x="%.0f" y="24" text-anchor="middle" font-size="14">%s</text>`+"\n", px(xMax/2), title)
	fmt.Fprintf(b, `<text x="%.0f" y="%d" text-anchor="middle">%s</text>`+"\n", px(xMax/2), panelHeight+marginTop+42, xTitle)
	for x := 0.0; x <= xMax+xStep/2; x += xStep {
		fmt.Fprintf(b, `<path d="M%.1f %.1fV%.1f" stroke="#ddd"/><text x="%.1f" y="%.1f" text-anchor="middle">%g</text>`+"\n", px(x), py(0), py(yMax), px(x), py(0)+18, x)
	}
	for y := 0.0; y <= yMax+yStep/2; y += yStep {
		fmt.Fprintf(b, `<path d="M%.1f %.1fH%.1f" stroke="#ddd"/><text x="%.1f" y="%.1f" text-anchor="end">%g</text>`+"\n", px(0), py(y), px(xMax), px(0)-8, py(y)+4, y)
	}
	for i, s := range list {
		slope, base := fit(s.x, s.y)
		fmt.Fprintf(b, `<path d="M%.1f %.1fL%.1f %.1f" stroke="%s" stroke-dasharray="4 3"/>`+"\n", px(0), py(base), px(xMax), py(min(base+slope*xMax, yMax)), s.color)
		for j := range s.x {
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`+"\n", px(s.x[j]), py(s.y[j]), s.color)
		}
		fmt.Fprintf(b, `<text x="%.1f" y="%d" fill="%s">%s</text>`+"\n", px(0)+12, marginTop+18+16*i, s.color, s.label)
	}
}

// step is a round distance that gives a handful of grid lines up to limit.
func step(limit float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(max(limit, 1e-9))))
	for _, f := range []float64{0.2, 0.5, 1, 2} {
		if limit/(unit*f) <= 6 {
			return unit * f
		}
	}
	return 2 * unit
}

// fit returns the straight line with the least squares.
func fit(x, y []float64) (slope, base float64) {
	var sx, sy, sxx, sxy float64
	n := float64(len(x))
	for i := range x {
		sx, sy, sxx, sxy = sx+x[i], sy+y[i], sxx+x[i]*x[i], sxy+x[i]*y[i]
	}
	if d := n*sxx - sx*sx; d != 0 {
		slope = (n*sxy - sx*sy) / d
	}
	return slope, (sy - slope*sx) / max(n, 1)
}
