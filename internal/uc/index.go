package uc

import (
	"hash/maphash"
	"maps"
)

// index is an immutable map from names to values, changed like a [Table]: by copying one shard. The zero
// index is empty.
type index[V any] struct {
	shards [tableShards]map[string]V
}

var indexSeed = maphash.MakeSeed()

func shardOf(name string) uint64 { return maphash.String(indexSeed, name) % tableShards }

func (x *index[V]) get(name string) (V, bool) {
	v, ok := x.shards[shardOf(name)][name]
	return v, ok
}

// indexEdit collects changes to an index; each shard is copied once. The empty name is not kept.
type indexEdit[V comparable] struct {
	x      *index[V]
	copied [tableShards]bool
}

func (e *indexEdit[V]) shard(name string) map[string]V {
	i := shardOf(name)
	if !e.copied[i] {
		e.copied[i] = true
		if e.x.shards[i] = maps.Clone(e.x.shards[i]); e.x.shards[i] == nil {
			e.x.shards[i] = make(map[string]V)
		}
	}
	return e.x.shards[i]
}

// move takes a name away from its holder, unless another has it by now, and gives the holder another.
func (e *indexEdit[V]) move(from, to string, holder V) {
	if from == to {
		return
	}
	e.drop(from, holder)
	if to != "" {
		e.shard(to)[to] = holder
	}
}

func (e *indexEdit[V]) drop(name string, holder V) {
	if has, ok := e.x.get(name); ok && has == holder {
		delete(e.shard(name), name)
	}
}
