package pubsub

import "slices"

// Query selects items of a node.
type Query struct {
	IDs    []string // only these; the rest is ignored then
	Newest int      // only so many of the newest (XEP-0060 §6.5.7); 0 means all

	// XEP-0059: a page of at most Max items; -1 means that no page is asked for.
	Max           int
	After, Before string // the item next to the page
	Backwards     bool   // Before was given, empty for the last page
}

// All selects all items.
var All = Query{Max: -1}

// Page is a part of the items, oldest first.
type Page struct {
	Items []Item
	Index int // of the first of them among all
	Count int // of all
}

// Select returns the items of a query. An item to page from that does not exist is ErrNotFound (XEP-0059 §2.2).
func (n *Node) Select(q Query) (Page, error) {
	if len(q.IDs) > 0 {
		return n.selectIDs(q.IDs), nil
	}
	from, to := 0, len(n.Items)
	if q.Newest > 0 {
		from = max(0, to-q.Newest)
	}
	first := from
	if q.After != "" {
		i := n.index(q.After)
		if i < from {
			return Page{}, ErrNotFound
		}
		from = i + 1
	}
	if q.Before != "" {
		i := n.index(q.Before)
		if i < first {
			return Page{}, ErrNotFound
		}
		to = max(from, i)
	}
	count := len(n.Items) - first
	if q.Max >= 0 && to-from > q.Max {
		if q.Backwards {
			from = to - q.Max
		} else {
			to = from + q.Max
		}
	}
	return Page{Items: slices.Clone(n.Items[from:to]), Index: from - first, Count: count}, nil
}

// selectIDs returns the items that exist.
func (n *Node) selectIDs(ids []string) Page {
	var p Page
	for i := range n.Items {
		if slices.Contains(ids, n.Items[i].ID) {
			p.Items = append(p.Items, n.Items[i])
		}
	}
	p.Count = len(p.Items)
	return p
}

// Fit drops items so that the payloads take no more than so many bytes, but never the last one left. It
// drops at the end that the reader of pages comes to last, and reports whether it had to.
func (p *Page) Fit(bytes int, backwards bool) (cut bool) {
	size := 0
	for i := range p.Items {
		size += p.Items[i].Size
	}
	for size > bytes && len(p.Items) > 1 {
		cut = true
		if backwards {
			size -= p.Items[0].Size
			p.Items, p.Index = p.Items[1:], p.Index+1
		} else {
			size -= p.Items[len(p.Items)-1].Size
			p.Items = p.Items[:len(p.Items)-1]
		}
	}
	return cut
}
