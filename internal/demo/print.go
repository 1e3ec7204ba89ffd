package demo

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// printer writes what happens, in color where it is a terminal.
type printer struct {
	w     io.Writer
	color bool
}

func newPrinter(w io.Writer) *printer {
	f, ok := w.(*os.File)
	return &printer{w: w, color: ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == ""}
}

func (p *printer) paint(code, text string) string {
	if !p.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *printer) title(format string, args ...any) {
	fmt.Fprintf(p.w, "\n%s\n", p.paint("1;36", fmt.Sprintf(format, args...)))
}

func (p *printer) done(format string, args ...any) {
	fmt.Fprintf(p.w, "  %s %s\n", p.paint("32", "✓"), fmt.Sprintf(format, args...))
}

func (p *printer) failed(err error) {
	fmt.Fprintf(p.w, "  %s %v\n", p.paint("31", "✗"), err)
}

func (p *printer) line(format string, args ...any) {
	fmt.Fprintf(p.w, "    %s\n", fmt.Sprintf(format, args...))
}
