package store

import (
	"database/sql"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// base is what differs between SQLite and PostgreSQL.
type base interface {
	// open opens connections; writing ones are never kept idle, so that dropping
	// one closes it.
	open(writing bool) (*sql.DB, error)
	// place names the database for people, without a password.
	place() string
	begin() string
	beginRead() string
	// lock is a statement that takes a name and holds it until the transaction
	// ends; empty when writers exclude each other anyway.
	lock() string
	rebind(string) string
	// patience bounds one group; 0: bounded by the database's own time-out.
	patience() time.Duration
	// outage tells whether err says that the database, not the job, is at fault.
	outage(err error) bool
	// present fails when the database is no longer the one that was opened.
	present() error
	// opened marks the database as it is now as the one in use.
	opened() error
	dialect() goose.Dialect
	// locker keeps two nodes from migrating at once; nil when there is one node.
	locker() (lock.SessionLocker, error)
}

// dollars turns each `?` outside quotes into $1, $2 ..
func dollars(query string) string {
	if strings.IndexByte(query, '?') < 0 {
		return query
	}
	var b strings.Builder
	b.Grow(len(query) + 8)
	n, quote := 0, byte(0)
	for i := range len(query) {
		c := query[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote == 0 && c == '?':
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
