// Package app is the composition root: [New] builds the whole server from its [Config] in an order that
// reads from top to bottom, [App.Run] runs it until its context ends and stops it in reverse. It is the
// only place where the engines meet; the rolecall command, the demo and the end-to-end tests all use it.
package app
