// Package arch holds the architecture: its test fails when a package imports what it must not, or has
// no package comment. The rules stand in docs/architecture.md with their reasons.
package arch
