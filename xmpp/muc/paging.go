package muc

import (
	"slices"
	"strconv"

	"github.com/rolecall/rolecall/xmpp/scan"
)

// paging picks a page of a list that is sorted by key (XEP-0059 §2).
type paging struct {
	most          int
	after, before string // keys
	last          bool   // the page is the end of what is left, not its beginning

	keys  []string
	items []*scan.Node
	count int // of the whole list
	index int // entries before the page
}

// read reads what is asked for; set may be nil.
func (p *paging) read(set *scan.Node) error {
	if set == nil {
		return nil
	}
	if most := set.Child(nsPaging, "max"); most != nil {
		n, err := strconv.ParseUint(most.Text, 10, 31)
		if err != nil {
			return errBadRequest
		}
		p.most = min(p.most, int(n))
	}
	p.after = set.ChildText(nsPaging, "after")
	if before := set.Child(nsPaging, "before"); before != nil {
		p.last, p.before = true, before.Text
	}
	return nil
}

// add takes the next entry of the list.
func (p *paging) add(key string, item *scan.Node) {
	p.count++
	switch {
	case p.after != "" && key <= p.after:
		p.index++
		return
	case p.before != "" && key >= p.before, !p.last && len(p.items) >= p.most:
		return
	}
	p.keys, p.items = append(p.keys, key), append(p.items, item)
}

// end returns the entries of the page, and where it is if that was asked for.
func (p *paging) end(asked bool) []*scan.Node {
	if over := len(p.items) - p.most; over > 0 {
		p.keys, p.items, p.index = p.keys[over:], p.items[over:], p.index+over
	}
	if !asked && p.count == len(p.items) {
		return p.items
	}
	set := elem(nsPaging, "set")
	if n := len(p.keys); n > 0 {
		first := text(nsPaging, "first", p.keys[0])
		first.Attrs = []scan.Attr{{Name: "index", Value: strconv.Itoa(p.index)}}
		with(set, first, text(nsPaging, "last", p.keys[n-1]))
	}
	return append(slices.Clone(p.items), with(set, text(nsPaging, "count", strconv.Itoa(p.count))))
}
