package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// testPrune fills the records with something of every day, and removes what is older than some of them.
func testPrune(t *testing.T, open func() Store) {
	s := open()
	saveUsers(t, s)
	ctx := t.Context()
	day := func(n int) time.Time { return began.Add(time.Duration(n) * 24 * time.Hour) }
	write := func(e uc.JournalEntry) {
		must1(s.SaveProfileState(ctx, uc.ProfileState{User: e.User, Effective: e.To}, &e))(t)
	}
	write(uc.JournalEntry{Time: day(0), User: 2, Reason: "the last of user 2"})
	write(uc.JournalEntry{Time: day(0), User: 1, Reason: "not ended", Actions: []uc.ActionResult{{Action: "Team login"}}})
	users := must1(s.Audit(ctx, 0, 100))(t) // tells that they were added, before all that follows
	for n := range 10 {
		write(uc.JournalEntry{Time: day(n), User: 1, Reason: fmt.Sprint("day ", n)})
		must(t, s.AddAudit(ctx, uc.AuditEntry{Time: day(n), By: uc.System, Text: fmt.Sprint("day ", n)}))
		must(t, s.AddCallRecords(ctx, []uc.Call{{ID: fmt.Sprint("call ", n), Began: day(n)}}))
	}
	want(t, "removed, the oldest first", must1(s.Prune(ctx, day(6), 4))(t), 12)
	want(t, "removed, the rest", must1(s.Prune(ctx, day(6), 4))(t), 6+int64(len(users)))
	want(t, "removed, nothing more", must1(s.Prune(ctx, day(6), 4))(t), 0)

	var reasons, texts, calls []string
	for _, e := range must1(s.Journal(ctx, uc.JournalQuery{}))(t) {
		reasons = append(reasons, e.Reason)
	}
	for _, e := range must1(s.Audit(ctx, 0, 100))(t) {
		texts = append(texts, e.Text)
	}
	for _, c := range must1(s.CallRecords(ctx, 100))(t) {
		calls = append(calls, c.ID)
	}
	want(t, "journal", reasons, []string{"day 9", "day 8", "day 7", "day 6", "not ended", "the last of user 2"})
	want(t, "audit", texts, []string{"day 9", "day 8", "day 7", "day 6"})
	want(t, "calls", calls, []string{"call 9", "call 8", "call 7", "call 6"})
}
