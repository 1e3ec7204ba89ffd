package sip

import (
	"time"

	"github.com/emiago/sipgo/sip"
)

// probeEvery is how often the legs of a call are looked after.
const probeEvery = time.Minute

// watch ends a call whose phones are gone without a word: a leg that has sent no media for a while is
// asked by an OPTIONS inside its dialog. Without that a crashed phone would be "on the phone" for ever.
func (c *call) watch() {
	c.after(probeEvery, func() {
		if c.ended {
			return
		}
		for _, l := range []*leg{c.caller, c.winner} {
			if !l.closed && c.s.deps.Now().Sub(c.media.Stats(l.side).Last) > probeEvery {
				l.probe()
			}
		}
		c.watch()
	})
}

// probe asks whether the leg's peer still knows the call; any answer but 408 and 481 says that it does
// (RFC 3261 §12.2.1.2).
func (l *leg) probe() {
	_, err := l.send(l.request(sip.OPTIONS), func(res *sip.Response) {
		lost := res == nil || res.StatusCode == sip.StatusRequestTimeout || res.StatusCode == sip.StatusCallTransactionDoesNotExists
		if lost && !l.call.ended {
			l.call.farewell(`SIP;cause=408;text="The other side is gone"`, "a phone is gone")
		}
	})
	if err != nil && !l.call.ended {
		l.call.farewell(`SIP;cause=408;text="The other side is gone"`, "a phone is gone")
	}
}
