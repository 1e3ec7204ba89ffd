package xmpp

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
)

// The kinds of links (XEP-0156 §4).
const (
	relWebSocket = "urn:xmpp:alt-connections:websocket"
	relBOSH      = "urn:xmpp:alt-connections:xbosh"
)

// HostMeta returns the handlers of /.well-known/host-meta and /.well-known/host-meta.json, by which a
// browser finds the WebSocket and BOSH of a domain (XEP-0156, RFC 6415).
func HostMeta(webSocketURL, boshURL string) (asXML, asJSON http.Handler) {
	type link struct {
		Rel  string `xml:"rel,attr" json:"rel"`
		Href string `xml:"href,attr" json:"href"`
	}
	links := []link{{relWebSocket, webSocketURL}, {relBOSH, boshURL}}
	x, errXML := xml.Marshal(struct {
		XMLName xml.Name `xml:"http://docs.oasis-open.org/ns/xri/xrd-1.0 XRD"`
		Links   []link   `xml:"Link"`
	}{Links: links})
	j, errJSON := json.Marshal(map[string][]link{"links": links})
	if errXML != nil || errJSON != nil {
		panic("xmpp: host-meta cannot be written") // of strings it always can
	}
	return static("application/xrd+xml", append([]byte(xml.Header), x...)), static("application/json", j)
}

// static serves a text that pages of any origin may read (XEP-0156 §5).
func static(kind string, text []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "max-age=3600")
		_, _ = w.Write(text)
	})
}
