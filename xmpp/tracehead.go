package xmpp

import (
	"bytes"
	"encoding/xml"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/xmpp/scan"
)

// decodeHead reads the start tags of a stanza and its first child. If they were cut off it reads as much as
// there is.
func decodeHead(s *uc.TracedStanza, head []byte) {
	tags := startTags(head)
	if len(tags) == 0 {
		for _, end := range []string{"'/>", "\"/>", "/>"} {
			if tags = startTags(append(bytes.Clone(head), end...)); len(tags) > 0 {
				break
			}
		}
	}
	if len(tags) == 0 {
		s.Name = "?"
		return
	}
	s.Name = tags[0].Name.Local
	if ns := tags[0].Name.Space; ns != scan.NSClient {
		s.Namespace = ns
	}
	for _, a := range tags[0].Attr {
		if a.Name.Space != "" {
			continue
		}
		switch a.Name.Local {
		case "type":
			s.Type = a.Value
		case "id":
			s.ID = a.Value
		case "from":
			s.From = a.Value
		case "to":
			s.To = a.Value
		}
	}
	if len(tags) > 1 {
		s.Payload = tags[1].Name.Local
		if ns := tags[1].Name.Space; ns != scan.NSClient {
			s.PayloadNS = ns
		}
	}
}

// startTags reads the first two start tags, as they would be in a stream.
func startTags(head []byte) []xml.StartElement {
	d := xml.NewDecoder(bytes.NewReader(head))
	d.DefaultSpace = scan.NSClient
	var tags []xml.StartElement
	for len(tags) < 2 {
		token, err := d.Token()
		if err != nil {
			return tags
		}
		switch token := token.(type) {
		case xml.StartElement:
			tags = append(tags, token.Copy())
		case xml.EndElement:
			return tags
		}
	}
	return tags
}
