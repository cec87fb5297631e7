package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"tincan/phone/app"
	"tincan/phone/call"
	"tincan/phone/call/record"
	"tincan/phone/dialplan"
	"tincan/phone/directory"
	"tincan/phone/message"
	"tincan/phone/presence"
	"tincan/secret"
	"tincan/space"
	"tincan/store"
)

// objects is what commands change and look up whether a server runs or not: its
// handlers answer on the control socket, or within the command itself.
type objects struct {
	folder  string // of data
	store   *store.Store
	box     *secret.Box
	space   *space.Space
	ledger  *record.Ledger
	devices func(number string) int                      // that are registered; nil: nobody knows
	quality func(id string) ([]call.PartyQuality, error) // of a call that stands; nil: none does
}

// openSpace puts the owners of objects together. applied is called after each
// change; it may be nil.
func openSpace(ctx context.Context, st *store.Store, box *secret.Box, applied func(context.Context) error) (*space.Space, error) {
	return space.Open(ctx, space.Config{
		Store: st, Box: box, Applied: applied,
		Owners: []space.Owner{
			space.Objects(directory.Extensions{}), space.Objects(directory.Trunks{}), space.Objects(dialplan.Routes{}), space.Objects(presence.Lists{}),
			space.Objects(dialplan.Publics{}),
		},
		Fixed: map[string][]string{"app": app.Names(), "conference": nil},
	})
}

// openAlone opens the objects of a store that no server has open.
func openAlone(ctx context.Context, folder string, st *store.Store, box *secret.Box) (*objects, error) {
	o := &objects{folder: folder, store: st, box: box}
	if err := directory.Migrate(ctx, st); err != nil {
		return nil, err
	}
	nobody := func(string) bool { return false } // no number is looked up here
	_, err := dialplan.Open(ctx, dialplan.Config{Store: st, Extension: nobody})
	if err != nil {
		return nil, err
	}
	if o.ledger, err = record.Open(ctx, st); err != nil {
		return nil, err
	}
	if err := message.Migrate(ctx, st); err != nil {
		return nil, err
	}
	if err := presence.Migrate(ctx, st); err != nil {
		return nil, err
	}
	o.space, err = openSpace(ctx, st, box, nil)
	return o, err
}

func (o *objects) handle(r *routes) {
	r.get("/export", o.export)
	r.post("/apply", o.apply)
	r.get("/history", o.history)
	r.post("/revert/{n}", o.revert)
	r.get("/records", o.records)
	r.get("/quality/{id}", o.qualityOf)
	r.get("/messages", o.waitingTexts)
	r.get("/extensions", o.extensions)
	r.post("/extensions", o.addExtension)
	r.delete("/extensions/{number}", o.removeExtension)
	r.get("/extensions/{number}/secret", o.secret)
	r.post("/extensions/{number}/secret", o.newSecret)
	r.get("/trunks", o.trunks)
	r.post("/trunks", o.addTrunk)
	r.delete("/trunks/{name}", o.removeTrunk)
	r.get("/trunks/{name}/secret", o.trunkSecret)
	r.post("/key", o.key)
}

func (o *objects) export(r *http.Request) (any, error) {
	doc, err := o.space.Export(r.Context(), r.URL.Query().Get("reveal") == "true")
	return exported{string(doc)}, err
}

// exported is the answer of export.
type exported struct {
	Document string `json:"document"`
}

func (o *objects) apply(r *http.Request) (any, error) {
	doc, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, space.MaxDocument))
	if err != nil {
		return nil, fmt.Errorf("the document: %w", err)
	}
	q := r.URL.Query()
	if q.Get("dry_run") == "true" {
		return o.space.Plan(r.Context(), doc, q.Get("name"))
	}
	return o.space.Apply(r.Context(), doc, q.Get("name"), q.Get("who"))
}

func (o *objects) history(r *http.Request) (any, error) {
	list, err := o.space.History(r.Context())
	return orEmpty(list), err
}

func (o *objects) revert(r *http.Request) (any, error) {
	n, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is no number of a version; see tincan history", r.PathValue("n"))
	}
	change, err := o.space.Revert(r.Context(), n, r.URL.Query().Get("who"))
	if errors.Is(err, space.ErrNoVersion) {
		return nil, fmt.Errorf("there is no version %d; see tincan history", n)
	}
	return change, err
}

// maxRecords bounds the call records of one answer.
const maxRecords = 1000

func (o *objects) records(r *http.Request) (any, error) {
	limit, err := recordLimit(r.URL.Query())
	if err != nil {
		return nil, err
	}
	list, err := o.ledger.List(r.Context(), record.Filter{Party: r.URL.Query().Get("party"), Limit: limit})
	return orEmpty(list), err
}

func recordLimit(q url.Values) (int, error) {
	n, err := strconv.Atoi(q.Get("limit"))
	if err != nil || n < 1 || n > maxRecords {
		return 0, fmt.Errorf("a limit of %q is out of range; write --limit 1 to %d", q.Get("limit"), maxRecords)
	}
	return n, nil
}

// orEmpty makes a list that is written as [] when there is nothing in it.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// maxBody bounds the small documents of the control socket.
const maxBody = 64 << 10

func readBody(r *http.Request, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}
