// Package pubsub is the model of publish-subscribe (XEP-0060) as personal eventing uses it (XEP-0163): leaf
// nodes with their configuration and items, who may read and publish, and how lists are paged (XEP-0059).
//
// It knows no sockets, no store and no locks. Who uses it changes a [Node.Clone], stores that and then
// replaces the node, so that a node that was handed out never changes. It starts no goroutine.
package pubsub
