package graph

import "slices"

// maxIDs is how many users one getPresencesByUserId may ask for.
const maxIDs = 650

// chunks cuts a sorted list of object ids into requests. It begins at the id that the last poll did
// not get to, so that a poll that is always cut short in the middle starves nobody.
func chunks(ids []string, from string) [][]string {
	at, _ := slices.BinarySearch(ids, from)
	turned := slices.Concat(ids[at:], ids[:at])
	return slices.Collect(slices.Chunk(turned, maxIDs))
}
