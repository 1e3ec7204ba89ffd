package xmpp

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"mellium.im/xmpp/stanza"

	"github.com/rolecall/rolecall/xmpp/upload"
)

const nsUpload = "urn:xmpp:http:upload:0"

// uploadForm tells how big a file may be (XEP-0363 §4).
func (s *Server) uploadForm() *form {
	return &form{fields: []field{
		{typ: "hidden", name: "FORM_TYPE", values: []string{nsUpload}},
		{typ: "text-single", name: "max-file-size", values: []string{strconv.FormatInt(s.deps.Uploads.MaxFile(), 10)}},
	}}
}

// uploadDomain is where clients find uploads that look for them among the server's items only, as XEP-0363 §4 has it. It
// is a name and nothing more: no client connects to it.
func (s *Server) uploadDomain() string { return "upload." + s.cfg.Domain }

// isUploads reports whether a domain is that of uploads. A component may have the name for itself.
func (s *Server) isUploads(domain string) bool {
	return s.deps.Uploads != nil && domain == s.uploadDomain() && domain != s.cfg.RoomsDomain && !s.components.Serves(domain)
}

// discoInfoUploads tells what discoInfoServer tells of uploads.
func (r *request) discoInfoUploads() error {
	return r.discoInfoFixed([]string{nsDiscoInfo, nsDiscoItems, nsUpload, nsPing}, fileStore, r.server.uploadForm())
}

// caps is what the form, whose first field is its type, adds to a verification string (XEP-0115 §5.1).
func (f *form) caps() string {
	var b strings.Builder
	b.WriteString(f.fields[0].values[0] + "<")
	for _, fd := range slices.SortedFunc(slices.Values(f.fields[1:]), func(a, b field) int { return strings.Compare(a.name, b.name) }) {
		b.WriteString(fd.name + "<")
		for _, v := range slices.Sorted(slices.Values(fd.values)) {
			b.WriteString(v + "<")
		}
	}
	return b.String()
}

// uploadSlot gives leave to upload a file (XEP-0363 §5).
func (r *request) uploadSlot() error {
	if r.server.deps.Uploads == nil {
		return errServiceUnavailable
	}
	q, err := r.payload()
	if err != nil {
		return err
	}
	size, err := strconv.ParseInt(q.Attr("size"), 10, 64)
	if err != nil || q.Name != "request" {
		return errBadRequest
	}
	address, err := r.server.deps.Uploads.Slot(r.from.account.user, upload.File{Name: q.Attr("filename"), Size: size, Type: q.Attr("content-type")})
	if err != nil {
		return uploadError(err)
	}
	e := newElement("slot").attr("xmlns", nsUpload)
	e.start("put").attr("url", address).close("put").start("get").attr("url", address).close("get")
	return r.reply(e.close("slot").bytes())
}

// uploadError adds what XEP-0363 §5.1 has to tell to the reasons why there is no slot.
func uploadError(err error) error {
	told := commandError{told: stanza.Error{Text: map[string]string{"en": err.Error()}}}
	var large upload.TooLarge
	var full upload.QuotaReached
	switch {
	case errors.As(err, &large):
		told.told.Type, told.told.Condition = stanza.Modify, stanza.NotAcceptable
		e := newElement("file-too-large").attr("xmlns", nsUpload).text("max-file-size", strconv.FormatInt(large.Max, 10))
		told.xml = string(e.close("file-too-large").bytes())
	case errors.As(err, &full):
		told.told.Type, told.told.Condition = stanza.Wait, stanza.ResourceConstraint
		e := newElement("retry").attr("xmlns", nsUpload).attr("stamp", full.Retry.UTC().Format(time.RFC3339))
		told.xml = string(e.close("retry").bytes())
	default:
		return err
	}
	return told
}
