package uc

import (
	"iter"
	"maps"
)

const tableShards = 64

// Table is an immutable map from identifiers to values. Changing it copies one shard and the list of
// shards, so a change among ten thousand entries costs about as much as one among two hundred.
// The zero Table is empty. The order of iteration is not defined.
type Table[K ~int64, V any] struct {
	shards [tableShards]map[K]*V
	n      int
}

// Get returns the value of a key, or nil. The value must not be written to.
func (t *Table[K, V]) Get(key K) *V { return t.shards[uint64(key)%tableShards][key] }

// Len returns how many values there are.
func (t *Table[K, V]) Len() int { return t.n }

// All iterates over all keys and values.
func (t *Table[K, V]) All() iter.Seq2[K, *V] {
	return func(yield func(K, *V) bool) {
		for _, shard := range t.shards {
			for k, v := range shard {
				if !yield(k, v) {
					return
				}
			}
		}
	}
}

// tableEdit collects changes to a table; each shard is copied once.
type tableEdit[K ~int64, V any] struct {
	t      *Table[K, V]
	copied [tableShards]bool
}

func (e *tableEdit[K, V]) shard(key K) map[K]*V {
	i := uint64(key) % tableShards
	if !e.copied[i] {
		e.copied[i] = true
		if e.t.shards[i] = maps.Clone(e.t.shards[i]); e.t.shards[i] == nil {
			e.t.shards[i] = make(map[K]*V)
		}
	}
	return e.t.shards[i]
}

func (e *tableEdit[K, V]) put(key K, v V) {
	s := e.shard(key)
	if _, had := s[key]; !had {
		e.t.n++
	}
	s[key] = &v
}

func (e *tableEdit[K, V]) delete(key K) {
	s := e.shard(key)
	if _, had := s[key]; had {
		e.t.n--
		delete(s, key)
	}
}
