package web

import (
	"bytes"
	"embed"
	"fmt"
	"hash/fnv"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/internal/uc"
)

//go:embed templates static
var assets embed.FS

// assetVersion changes with the files, so that browsers never mix those of two versions.
var assetVersion = func() string {
	h := fnv.New32a()
	err := fs.WalkDir(assets, "static", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := assets.ReadFile(path)
		h.Write(content)
		return err
	})
	if err != nil {
		panic(err) // the files are part of the program
	}
	return strconv.FormatUint(uint64(h.Sum32()), 36)
}()

// parsePages parses each page together with the layout and the shared pieces.
func parsePages() (map[string]*template.Template, error) {
	shared, err := template.New("").Funcs(functions).ParseFS(assets, "templates/shared/*.html")
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(assets, "templates/*.html")
	if err != nil {
		return nil, err
	}
	pages := make(map[string]*template.Template)
	for _, file := range files {
		t, err := template.Must(shared.Clone()).ParseFS(assets, file)
		if err != nil {
			return nil, err
		}
		pages[strings.TrimSuffix(strings.TrimPrefix(file, "templates/"), ".html")] = t
	}
	return pages, nil
}

// page is what every template gets.
type page struct {
	Title   string
	Who     *uc.User // nil while nobody is signed in
	Nav     []navItem
	Path    string
	Done    string // a word of confirmation
	Dir     *uc.Directory
	Data    any
	Version string
	Colors  string // of the style sheet with the profiles' colors
	zone    *time.Location
	now     time.Time
	allows  func(access.Operation) bool
}

// navItem is one entry of the menu.
type navItem struct {
	Path, Title, Icon string
	Current           bool
	op                access.Operation
}

// menu lists all pages in the order of the menu; each user sees those that their level allows.
var menu = []navItem{
	{Path: "/board", Title: "Board", Icon: "board", op: access.ReadBoard},
	{Path: "/users", Title: "Users", Icon: "users", op: access.ReadUsers},
	{Path: "/devices", Title: "Devices", Icon: "phone", op: access.ReadDevices},
	{Path: "/locations", Title: "Locations", Icon: "pin", op: access.ReadLocations},
	{Path: "/teams", Title: "Teams", Icon: "headset", op: access.ReadTeams},
	{Path: "/roles", Title: "Roles", Icon: "shield", op: access.ReadRoles},
	{Path: "/profiles", Title: "Profiles", Icon: "sliders", op: access.ReadProfiles},
	{Path: "/forwardings", Title: "Forwardings", Icon: "forward", op: access.ReadCallFlow},
	{Path: "/phonebook", Title: "Phone book", Icon: "book", op: access.ReadPhonebook},
	{Path: "/journal", Title: "Journal", Icon: "clock", op: access.ReadJournal},
	{Path: "/explain", Title: "Explain", Icon: "help", op: access.Explain},
	{Path: "/sessions", Title: "Chat sessions", Icon: "chat", op: access.ReadChats},
	{Path: "/federation", Title: "Other servers", Icon: "servers", op: access.ReadFederation},
	{Path: "/teams-sync", Title: "Teams sync", Icon: "sync", op: access.ReadConnectors},
	{Path: "/metrics", Title: "Metrics", Icon: "chart", op: access.ReadMetrics},
}

func (q *request) menu() []navItem {
	var list []navItem
	for _, item := range menu {
		if q.who.Allows(item.op) && (item.op != access.ReadMetrics || q.web.Metrics != nil) {
			item.Current = q.URL.Path == item.Path || strings.HasPrefix(q.URL.Path, item.Path+"/")
			list = append(list, item)
		}
	}
	return list
}

// doneTexts are the confirmations that a redirect may ask for.
var doneTexts = map[string]string{
	"saved":        "Saved.",
	"added":        "Added.",
	"deleted":      "Deleted.",
	"switched":     "The profile was switched.",
	"undone":       "The last switch was undone.",
	"dialled":      "The telephones ring.",
	"hungup":       "The call was hung up.",
	"transferring": "It rings there. The call stays as it is until somebody answers.",
	"password":     "The password was changed.",
	"pin":          "The PIN was changed.",
	"assigned":     "The device was assigned.",
	"renewed":      "The device has new credentials. Its phone must be told.",
	"ended":        "The session was ended.",
	"signedout":    "You are signed out.",
}

// show renders a page. It writes nothing if the template fails.
func (q *request) show(status int, name, title string, data any) error {
	p := page{
		Title: title, Who: q.who.User, Path: q.URL.Path, Done: doneTexts[q.URL.Query().Get("done")], Dir: q.dir,
		Data: data, Version: assetVersion, Colors: colorsVersion(q.dir), zone: q.zone(), now: q.web.Now(), allows: q.who.Allows,
	}
	if p.Who != nil && !p.Who.MustChangePassword {
		p.Nav = q.menu()
	}
	var b bytes.Buffer
	if err := q.web.pages[name].ExecuteTemplate(&b, "layout", p); err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	q.w.WriteHeader(status)
	_, err := b.WriteTo(q.w)
	if err != nil {
		q.web.Log.DebugContext(q.Context(), "client left", "cause", err)
	}
	return nil
}

// ok renders a page with status 200.
func (q *request) ok(name, title string, data any) error {
	return q.show(http.StatusOK, name, title, data)
}

// zone is the time zone in which the viewer reads times.
func (q *request) zone() *time.Location {
	if q.who.User != nil && q.who.User.TimeZone != "" {
		if zone, err := time.LoadLocation(q.who.User.TimeZone); err == nil {
			return zone
		}
	}
	return time.Local
}

// May reports whether the viewer may do an operation.
func (p page) May(op string) bool { return p.allows(access.Operation(op)) }

// Clock shows a time to the viewer, no longer than needed.
func (p page) Clock(t time.Time) template.HTML { return clock(t, p.now, p.zone) }

// Zone names the viewer's time zone; of the machine's own only the abbreviation is known.
func (p page) Zone() string {
	if p.zone != time.Local {
		return p.zone.String()
	}
	name, _ := time.Now().In(p.zone).Zone()
	return name
}

func clock(t, now time.Time, zone *time.Location) template.HTML {
	if t.IsZero() {
		return ""
	}
	t, now = t.In(zone), now.In(zone)
	layout := "2 Jan 2006 15:04"
	switch {
	case t.Year() == now.Year() && t.YearDay() == now.YearDay():
		layout = "15:04"
	case t.Year() == now.Year():
		layout = "2 Jan 15:04"
	}
	return template.HTML(fmt.Sprintf(`<time datetime=%q title=%q>%s</time>`, //nolint:gosec // made of digits only
		t.Format(time.RFC3339), t.Format("2006-01-02 15:04:05"), t.Format(layout)))
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0 // nothing has this identifier
	}
	return n
}

// colorsVersion changes with the colors of the profiles.
func colorsVersion(d *uc.Directory) string {
	h := fnv.New32a()
	h.Write([]byte(colorSheet(d)))
	return strconv.FormatUint(uint64(h.Sum32()), 36)
}
