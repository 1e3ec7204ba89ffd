package muc

import (
	"iter"
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

// order is the order in which the page wants to have a sorted list: from the end, if that is what the page is of.
func (p *paging) order(list []*lockedRoom) iter.Seq[*lockedRoom] {
	if !p.last {
		return slices.Values(list)
	}
	return func(yield func(*lockedRoom) bool) {
		for _, l := range slices.Backward(list) {
			if !yield(l) {
				return
			}
		}
	}
}

// add takes the next entry of the list. item makes it, if it is on the page.
func (p *paging) add(key string, item func() *scan.Node) {
	p.count++
	switch {
	case p.after != "" && key <= p.after:
		p.index++
	case p.before != "" && key >= p.before:
	case len(p.items) < p.most:
		p.keys, p.items = append(p.keys, key), append(p.items, item())
	case p.last:
		p.index++ // before the page
	}
}

// end returns the entries of the page, and where it is if that was asked for.
func (p *paging) end(asked bool) []*scan.Node {
	if p.last {
		slices.Reverse(p.keys)
		slices.Reverse(p.items)
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
