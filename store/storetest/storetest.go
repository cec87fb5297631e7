// Package storetest gives tests the databases that the program runs on: a folder
// for SQLite, and a PostgreSQL cluster of their own from Debian's packages.
//
//	Each(t, suite) ── suite/sqlite    a fresh folder
//	               └─ suite/postgres  a fresh database of a fresh cluster
//
// A cluster lives in a temporary folder, listens on a unix socket alone, runs as
// an unprivileged user (PostgreSQL refuses root), and dies with the test.
package storetest

import (
	"os"
	"testing"
)

// RequirePeers is the environment variable that turns "not installed, skipped"
// into a failure.
const RequirePeers = "TINCAN_REQUIRE_PEERS"

// Each runs suite once for each database; where is what store.Open takes, empty
// at first.
func Each(t *testing.T, suite func(t *testing.T, where string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { suite(t, t.TempDir()) })
	t.Run("postgres", func(t *testing.T) { suite(t, Start(t).Database(t)) })
}

// Group runs suites by name, each on both databases, with one cluster for all.
func Group(t *testing.T, suites map[string]func(t *testing.T, where string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		for name, suite := range suites {
			t.Run(name, func(t *testing.T) { suite(t, t.TempDir()) })
		}
	})
	t.Run("postgres", func(t *testing.T) {
		c := Start(t)
		for name, suite := range suites {
			t.Run(name, func(t *testing.T) { suite(t, c.Database(t)) })
		}
	})
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv(RequirePeers) != "" {
		t.Fatalf("%s: %s is set; install Debian's package postgresql", what, RequirePeers)
	}
	t.Skipf("NOT TESTED ON POSTGRESQL: %s; install Debian's package postgresql", what)
}
