package main

import (
	"cmp"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"

	"tincan/config/form"
	"tincan/phone/directory"
	"tincan/phone/directory/key"
	"tincan/secret"
	"tincan/space"
	"tincan/store"
)

// trunk is a line of `tincan trunk list`.
type trunk struct {
	Name     string   `json:"name"`
	Protocol string   `json:"protocol"`
	Template string   `json:"template,omitempty"`
	Address  string   `json:"address,omitempty"`
	Proves   string   `json:"proves"` // how either side proves itself, in words
	Username string   `json:"username,omitempty"`
	Codecs   []string `json:"codecs,omitempty"`
	Limit    int      `json:"limit,omitempty"`
	Treatment
}

// wantedTrunk is what `tincan trunk add` asks for.
type wantedTrunk struct {
	Name      string   `json:"name"`
	Protocol  string   `json:"protocol"`
	Template  string   `json:"template"`
	Address   string   `json:"address"`
	Proxy     string   `json:"proxy"`
	Transport string   `json:"transport"`
	Register  *bool    `json:"register"`
	Username  string   `json:"username"`
	Secret    string   `json:"secret"`
	Accept    string   `json:"accept"`
	Match     []string `json:"match"`
	Codecs    []string `json:"codecs"`
	Limit     int      `json:"limit"`

	Encryption string `json:"encryption"`
	Key        string `json:"key"` // the other side's, in PEM
	Trunking   *bool  `json:"trunking"`
	Transfer   *bool  `json:"transfer"`
	Treatment
}

const kindTrunk = "trunk"

func (o *objects) trunks(r *http.Request) (any, error) {
	var forms []directory.TrunkForm
	err := o.store.View(r.Context(), func(tx *store.Tx) (err error) {
		forms, err = directory.Trunks{}.Read(tx)
		return err
	})
	list := make([]trunk, len(forms))
	for i := range forms {
		f := forms[i].Whole()
		list[i] = trunk{f.Name, cmp.Or(f.Protocol, directory.ProtocolSIP), f.Template, f.Address, proves(f), f.Username, f.Codecs, f.Limit, Treatment{f.DTMF, f.Clean, f.Offer}}
	}
	return list, err
}

// proves says how the two sides know each other.
func proves(f *directory.TrunkForm) string {
	switch {
	case f.Register != nil && *f.Register:
		return "registers there"
	case f.Accept == "register":
		return "registers here"
	case f.Accept == "digest" && f.Protocol == directory.ProtocolIAX2:
		return "challenge here"
	case f.Accept == "digest":
		return "digest here"
	}
	return "address"
}

func (o *objects) addTrunk(r *http.Request) (any, error) {
	var want wantedTrunk
	if err := readBody(r, &want); err != nil {
		return nil, err
	}
	made := account{Number: cmp.Or(want.Username, want.Name)}
	if want.Secret == "" && want.Accept != "" && want.Key == "" {
		made.Secret = secret.Generate(space.SecretLength)
		want.Secret = made.Secret
	}
	f := directory.TrunkForm{
		Name: want.Name, Protocol: want.Protocol, Template: want.Template, Address: want.Address, Proxy: want.Proxy, Transport: want.Transport,
		Register: want.Register, Username: want.Username, Secret: want.Secret, Accept: want.Accept, Match: want.Match,
		Codecs: want.Codecs, Limit: want.Limit, Encryption: want.Encryption, Key: want.Key, Trunking: want.Trunking, Transfer: want.Transfer,
		DTMF: want.DTMF, Clean: want.Clean, Offer: want.Offer,
	}
	if err := typed((directory.Trunks{}).Check([]directory.TrunkForm{f})); err != nil {
		return nil, err
	}
	var err error
	made.Change, err = o.edit(r, "add trunk "+f.Name, func(all []space.Object) ([]space.Object, error) {
		if find(all, kindTrunk, f.Name) >= 0 {
			return nil, fmt.Errorf("trunk %s is there already; see tincan trunk list", f.Name)
		}
		return append(all, space.Object{Kind: kindTrunk, Lines: form.Lines(&f)}), nil
	})
	return made, err
}

func (o *objects) removeTrunk(r *http.Request) (any, error) {
	name := r.PathValue("name")
	return o.edit(r, "remove trunk "+name, func(all []space.Object) ([]space.Object, error) {
		i := find(all, kindTrunk, name)
		if i < 0 {
			return nil, fmt.Errorf("there is no trunk %s; see tincan trunk list", name)
		}
		if user := leadsTo(all, kindTrunk, name); user != nil {
			return nil, fmt.Errorf("%s %q names trunk %s; change or remove it first (tincan export, tincan apply)", user.Kind, user.Key, name)
		}
		return slices.Delete(all, i, i+1), nil
	})
}

func (o *objects) trunkSecret(r *http.Request) (any, error) {
	name := r.PathValue("name")
	text, err := directory.TrunkSecret(r.Context(), o.store, o.box, name)
	return account{Number: name, Secret: text}, err
}

// publicKey is the answer of key.
type publicKey struct {
	Key string `json:"key"` // in PEM
}

// key gives this server's public key, of the pair that is made at the first time.
func (o *objects) key(*http.Request) (any, error) {
	private, err := key.Open(filepath.Join(o.folder, key.FileName))
	if err != nil {
		return nil, err
	}
	text, err := key.Format(&private.PublicKey)
	return publicKey{string(text)}, err
}
