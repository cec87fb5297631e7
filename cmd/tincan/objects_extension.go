package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"tincan/config/form"
	"tincan/phone/directory"
	"tincan/secret"
	"tincan/space"
	"tincan/store"
)

// extension is a line of `tincan extension list`.
type extension struct {
	Number      string   `json:"number"`
	Name        string   `json:"name,omitempty"`
	Codecs      []string `json:"codecs,omitempty"`
	Digest      string   `json:"digest,omitempty"`
	RingSeconds int      `json:"ring_seconds,omitempty"`
	Encryption  string   `json:"encryption,omitempty"`
	IAX2        bool     `json:"iax2,omitempty"`
	Devices     *int     `json:"devices,omitempty"` // registered now; only a server knows
	Treatment
}

// account is an extension that was made, or its secret that was asked for.
type account struct {
	Number string        `json:"number"`
	Secret string        `json:"secret,omitempty"`
	Change *space.Change `json:"change,omitempty"`
}

// wantedExtension is what `tincan extension add` asks for.
type wantedExtension struct {
	Number string   `json:"number"`
	Name   string   `json:"name"`
	Secret string   `json:"secret"` // empty: one is made, and told
	Codecs []string `json:"codecs"`

	Encryption string `json:"encryption,omitempty"`
	IAX2       bool   `json:"iax2,omitempty"`
	Treatment
}

const kindExtension = "extension"

func noExtension(number string) error {
	return fmt.Errorf("there is no extension %s; see tincan extension list", number)
}

func (o *objects) extensions(r *http.Request) (any, error) {
	var forms []directory.ExtensionForm
	err := o.store.View(r.Context(), func(tx *store.Tx) (err error) {
		forms, err = directory.Extensions{}.Read(tx)
		return err
	})
	list := make([]extension, len(forms))
	for i, f := range forms {
		list[i] = extension{Number: f.Number, Name: f.Name, Codecs: f.Codecs, Digest: f.Digest, RingSeconds: f.RingSeconds, Encryption: f.Encryption, IAX2: f.IAX2, Treatment: Treatment{f.DTMF, f.Clean, f.Offer}}
		if o.devices != nil {
			n := o.devices(f.Number)
			list[i].Devices = &n
		}
	}
	return list, err
}

func (o *objects) addExtension(r *http.Request) (any, error) {
	var want wantedExtension
	if err := readBody(r, &want); err != nil {
		return nil, err
	}
	made := account{Number: want.Number}
	if want.Secret == "" {
		made.Secret = secret.Generate(space.SecretLength)
		want.Secret = made.Secret
	}
	f := directory.ExtensionForm{
		Number: want.Number, Name: want.Name, Secret: want.Secret, Codecs: want.Codecs, Encryption: want.Encryption, IAX2: want.IAX2,
		DTMF: want.DTMF, Clean: want.Clean, Offer: want.Offer,
	}
	if err := checkExtension(f); err != nil {
		return nil, err
	}
	var err error
	made.Change, err = o.edit(r, "add extension "+f.Number, func(all []space.Object) ([]space.Object, error) {
		if find(all, kindExtension, f.Number) >= 0 {
			return nil, fmt.Errorf("extension %s is there already; see tincan extension list", f.Number)
		}
		return append(all, space.Object{Kind: kindExtension, Lines: form.Lines(&f)}), nil
	})
	return made, err
}

// checkExtension finds what is wrong with one that a person typed.
func checkExtension(f directory.ExtensionForm) error {
	return typed((directory.Extensions{}).Check([]directory.ExtensionForm{f}))
}

// typed makes an error of problems with what has no file.
func typed(problems []form.Problem) error {
	var wrong []error
	for _, p := range problems {
		field, _, _ := strings.Cut(p.Field, "[")
		wrong = append(wrong, fmt.Errorf("%s: %s; %s", field, p.What, p.Fix))
	}
	return errors.Join(wrong...)
}

func (o *objects) removeExtension(r *http.Request) (any, error) {
	number := r.PathValue("number")
	return o.edit(r, "remove extension "+number, func(all []space.Object) ([]space.Object, error) {
		i := find(all, kindExtension, number)
		if i < 0 {
			return nil, noExtension(number)
		}
		if user := leadsTo(all, kindExtension, number); user != nil {
			return nil, fmt.Errorf("%s %q leads to extension %s; change or remove it first (tincan export, tincan apply)", user.Kind, user.Key, number)
		}
		return slices.Delete(all, i, i+1), nil
	})
}

// leadsTo finds an object that names another as a destination.
func leadsTo(all []space.Object, kind, key string) *space.Object {
	whole := form.Quote(kind + ":" + key)
	further := strings.TrimSuffix(whole, `"`) + "/"
	for i := range all {
		if slices.ContainsFunc(all[i].Lines, func(l form.Line) bool { return l.Value == whole || strings.HasPrefix(l.Value, further) }) {
			return &all[i]
		}
	}
	return nil
}

func (o *objects) secret(r *http.Request) (any, error) {
	number := r.PathValue("number")
	text, err := directory.Secret(r.Context(), o.store, o.box, number)
	return account{Number: number, Secret: text}, err
}

func (o *objects) newSecret(r *http.Request) (any, error) {
	made := account{Number: r.PathValue("number"), Secret: secret.Generate(space.SecretLength)}
	var err error
	made.Change, err = o.edit(r, "new secret for extension "+made.Number, func(all []space.Object) ([]space.Object, error) {
		i := find(all, kindExtension, made.Number)
		if i < 0 {
			return nil, noExtension(made.Number)
		}
		for j := range all[i].Lines {
			if line := &all[i].Lines[j]; line.Name == "secret" {
				line.Value = form.Quote(made.Secret)
			}
		}
		return all, nil
	})
	return made, err
}

func (o *objects) edit(r *http.Request, what string, f func([]space.Object) ([]space.Object, error)) (*space.Change, error) {
	return o.space.Edit(context.WithoutCancel(r.Context()), what, r.URL.Query().Get("who"), f)
}

// find gives the place of an object, -1 if there is none.
func find(all []space.Object, kind, key string) int {
	return slices.IndexFunc(all, func(o space.Object) bool { return o.Kind == kind && o.Key == key })
}
