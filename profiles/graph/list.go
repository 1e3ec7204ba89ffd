package graph

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	listLife  = 24 * time.Hour   // of a list that finds everybody
	listAgain = 30 * time.Minute // while it does not
	listGap   = time.Minute      // between two readings, whatever happens
)

// list is the tenant's list of users: what it said last and when it is read next. It belongs to the
// goroutine of Poller.Run.
type list struct {
	client  *client
	book    *book // nil until it was read once
	failed  *failure
	pace    pace
	reading bool
	began   time.Time // of the last reading
	pause   time.Time // until when a failure keeps it from being read again
	fresh   bool      // nobody has looked into the book yet
	missed  []string  // whom it did not have when somebody last looked
	done    chan listing
}

// listing is what came of one reading.
type listing struct {
	accounts []account
	failed   *failure
}

func newList(c *client) list {
	return list{client: c, pace: pace{base: listGap}, done: make(chan listing, 1)}
}

// due reports whether the list is to be read now: at first, once a day, and when somebody turns up who
// is not in it or whose account is gone. If all object ids are stored it is never read.
func (l *list) due(t *targets, s strangers, now time.Time) bool {
	switch {
	case l.reading || t.listed == 0 || now.Before(l.pause):
		return false
	case l.book == nil || l.failed != nil:
		return true
	}
	missed := missing(t, s)
	if l.fresh {
		l.fresh, l.missed = false, missed
	}
	age := now.Sub(l.began)
	if age < listGap {
		return false
	}
	news := slices.ContainsFunc(missed, func(m string) bool { return !slices.Contains(l.missed, m) })
	l.missed = missed
	return news || age >= listLife || (len(missed) > 0 && age >= listAgain)
}

// missing names everybody whom a newer list might find.
func missing(t *targets, s strangers) []string {
	missed := slices.Clone(t.unmatched)
	for _, id := range s.list() {
		if t.fromList[id] {
			missed = append(missed, id)
		}
	}
	return missed
}

// read starts to read the list; done tells when it is there.
func (l *list) read(ctx context.Context, reading *sync.WaitGroup) {
	l.reading, l.began = true, time.Now()
	reading.Go(func() {
		accounts, err := l.client.accounts(ctx)
		if err != nil {
			l.done <- listing{failed: classify(err)}
			return
		}
		l.done <- listing{accounts: accounts}
	})
}

// take keeps what was read. After a failure the book stays as it was.
func (l *list) take(read listing, now time.Time) {
	l.reading, l.failed = false, read.failed
	if read.failed != nil {
		l.pause = now.Add(l.pace.after(read.failed, 0))
		return
	}
	l.pace = pace{base: listGap}
	l.book, l.fresh = newBook(read.accounts), true
}
