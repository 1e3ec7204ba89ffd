package store_test

import (
	"path/filepath"
	"testing"

	"github.com/rolecall/rolecall/internal/store"
	"github.com/rolecall/rolecall/internal/store/storetest"
	"github.com/rolecall/rolecall/internal/testenv"
)

func TestSQLite(t *testing.T) {
	testDatabase(t, func(t *testing.T) string {
		return "sqlite://" + filepath.Join(t.TempDir(), "new folder", "roll?call#%.db")
	})
}

func TestPostgreSQL(t *testing.T) {
	server := testenv.StartPostgres(t)
	testDatabase(t, func(t *testing.T) string { return server.Database(t) })
}

// testDatabase runs what both databases must pass; empty makes a new database and returns its URL.
func testDatabase(t *testing.T, empty func(*testing.T) string) {
	t.Run("Conformance", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) func() storetest.Store {
			url := empty(t)
			return func() storetest.Store { return open(t, url) }
		})
	})
	t.Run("MigrationsAtTheSameTime", func(t *testing.T) { testMigrationsAtTheSameTime(t, empty(t)) })
	t.Run("Crash", func(t *testing.T) { testCrash(t, empty(t)) })
}

func open(t *testing.T, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
