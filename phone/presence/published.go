package presence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"tincan/store"
)

// MaxPublications bounds those of one extension: each of its devices has one.
const MaxPublications = 10

// What can be wrong with a publication.
var (
	ErrStale   = errors.New("there is no such publication: it expired, or was changed by another request")
	ErrTooMany = fmt.Errorf("the extension has %d publications already", MaxPublications)
	ErrNothing = errors.New("the first request of a publication must say something")
)

// Publications are what devices have said of their members, until it expires (RFC
// 3903). They outlive the process. Safe for any goroutine.
type Publications struct {
	store   *store.Store
	log     *slog.Logger
	newTag  func() string
	changed func(extension string)

	mu     sync.Mutex // guards what follows
	of     map[string][]publication
	timer  *time.Timer
	closed bool
}

type publication struct {
	tag     string
	expires time.Time
	status  Status
}

const (
	putPublished  = `INSERT INTO presence_published (tag, extension, expires, status) VALUES (?, ?, ?, ?)`
	dropPublished = `DELETE FROM presence_published WHERE tag = ?`
	readPublished = `SELECT tag, extension, expires, status FROM presence_published`
)

// OpenPublications migrates the tables and reads what was published. changed is
// called for each extension that something else is said of.
func OpenPublications(ctx context.Context, s *store.Store, log *slog.Logger, newTag func() string, changed func(extension string)) (*Publications, error) {
	if err := Migrate(ctx, s); err != nil {
		return nil, err
	}
	p := &Publications{store: s, log: log, newTag: newTag, changed: changed, of: map[string][]publication{}}
	p.timer = time.AfterFunc(time.Hour, p.expire)
	if err := s.View(ctx, p.read); err != nil {
		return nil, fmt.Errorf("publications: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan(time.Now())
	return p, nil
}

func (p *Publications) read(tx *store.Tx) error {
	rows, err := tx.Query(readPublished)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var x publication
		var extension, status string
		var expires int64
		if err := rows.Scan(&x.tag, &extension, &expires, &status); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(status), &x.status); err != nil {
			return err
		}
		x.expires = time.UnixMicro(expires)
		p.of[extension] = append(p.of[extension], x)
	}
	return rows.Err()
}

// Close ends the expiry.
func (p *Publications) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.timer.Stop()
	return nil
}

// Of gives what is said of an extension, the latest first. Do not change it.
func (p *Publications) Of(extension string) (all []Status) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range slices.Backward(p.of[extension]) {
		if x.expires.After(now) {
			all = append(all, x.status)
		}
	}
	return all
}

// Publish takes what a device says: a new publication when tag is empty, else a
// change, or with no status a refresh, of the one with that tag (RFC 3903 4.1).
// lasts 0 removes it. done gets the new tag when that is written or spooled.
func (p *Publications) Publish(extension, tag string, status *Status, lasts time.Duration, done func(tag string, err error)) {
	fresh, old, err := p.replace(extension, tag, status, lasts)
	if err != nil {
		done("", err)
		return
	}
	text, err := json.Marshal(fresh.status)
	if err != nil {
		done("", err)
		return
	}
	p.store.WriteSoon(func(tx *store.Tx) error {
		if _, err := tx.Exec(dropPublished, tag); err != nil {
			return err
		}
		if lasts == 0 {
			return nil
		}
		_, err := tx.Exec(putPublished, fresh.tag, extension, fresh.expires.UnixMicro(), string(text))
		return err
	}, func(err error) {
		if err != nil && !errors.Is(err, store.ErrSpooled) {
			p.log.Error("publication could not be kept; it lasts until a restart", "extension", extension, "error", err)
		}
		done(fresh.tag, nil)
		if status != nil || lasts == 0 || old == nil {
			p.changed(extension)
		}
	})
}

// replace changes what readers see.
func (p *Publications) replace(extension, tag string, status *Status, lasts time.Duration) (fresh publication, old *publication, err error) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(p.of[extension]), func(x publication) bool { return !x.expires.After(now) })
	i := slices.IndexFunc(list, func(x publication) bool { return x.tag == tag })
	switch {
	case tag != "" && i < 0:
		return fresh, nil, ErrStale
	case tag == "" && status == nil && lasts > 0:
		return fresh, nil, ErrNothing
	case tag == "" && lasts > 0 && len(list) >= MaxPublications:
		return fresh, nil, ErrTooMany
	}
	if i >= 0 {
		was := list[i]
		old = &was
		list = slices.Delete(list, i, i+1)
	}
	fresh = publication{tag: p.newTag(), expires: now.Add(lasts)}
	switch {
	case status != nil:
		fresh.status = *status
	case old != nil:
		fresh.status = old.status
	}
	if lasts > 0 {
		list = append(list, fresh)
	}
	if p.of[extension] = list; len(list) == 0 {
		delete(p.of, extension)
	}
	p.plan(now)
	return fresh, old, nil
}

// plan sets the timer to the next expiry. The caller holds mu.
func (p *Publications) plan(now time.Time) {
	next := now.Add(time.Hour)
	for _, list := range p.of {
		for i := range list {
			if list[i].expires.Before(next) {
				next = list[i].expires
			}
		}
	}
	if !p.closed {
		p.timer.Reset(max(next.Sub(now), time.Second))
	}
}

// expire takes away what is over.
func (p *Publications) expire() {
	now := time.Now()
	var gone []string
	var tags []string
	p.mu.Lock()
	for extension, list := range p.of {
		left := slices.DeleteFunc(slices.Clone(list), func(x publication) bool {
			over := !x.expires.After(now)
			if over {
				tags = append(tags, strings.Clone(x.tag))
			}
			return over
		})
		if len(left) == len(list) {
			continue
		}
		gone = append(gone, extension)
		if p.of[extension] = left; len(left) == 0 {
			delete(p.of, extension)
		}
	}
	p.plan(now)
	p.mu.Unlock()
	p.drop(tags)
	for _, extension := range gone {
		p.changed(extension)
	}
}

func (p *Publications) drop(tags []string) {
	if len(tags) == 0 {
		return
	}
	p.store.Write(func(tx *store.Tx) error {
		for _, tag := range tags {
			if _, err := tx.Exec(dropPublished, tag); err != nil {
				return err
			}
		}
		return nil
	}, nil)
}

// Retain removes what is said of extensions that are no more.
func (p *Publications) Retain(known func(extension string) bool) {
	p.mu.Lock()
	var tags []string
	for extension, list := range p.of {
		if known(extension) {
			continue
		}
		for _, x := range list {
			tags = append(tags, x.tag)
		}
		delete(p.of, extension)
	}
	p.mu.Unlock()
	p.drop(tags)
}
