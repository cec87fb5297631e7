package directory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"tincan/secret"
	"tincan/store"
)

// Directory is the extensions and trunks. Safe for any goroutine.
type Directory struct {
	store *store.Store
	box   *secret.Box
	realm string
	now   atomic.Pointer[Snapshot]

	mu     sync.Mutex // guards names; held while a new snapshot is made
	names  map[string][]netip.Addr
	trunks []*Trunk
}

// Migrate brings the tables up to date: all that who only changes objects needs.
func Migrate(ctx context.Context, s *store.Store) error { return s.Migrate(ctx, owner, schema()) }

// Open migrates the tables and reads them. realm is the digest realm that the
// hashes are made for. It fails, naming each, when secrets were sealed with
// another key than box's: no phone could register.
func Open(ctx context.Context, s *store.Store, box *secret.Box, realm string) (*Directory, error) {
	if err := Migrate(ctx, s); err != nil {
		return nil, err
	}
	d := &Directory{store: s, box: box, realm: realm, names: map[string][]netip.Addr{}}
	return d, d.Reload(ctx)
}

// Snapshot is the directory now.
func (d *Directory) Snapshot() *Snapshot { return d.now.Load() }

// Reload reads the tables again. Readers see all of it or, on an error, what was.
func (d *Directory) Reload(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var extensions []ExtensionForm
	var trunks []TrunkForm
	var tokens map[string]string
	err := d.store.View(ctx, func(tx *store.Tx) (err error) {
		if extensions, err = (Extensions{}).Read(tx); err != nil {
			return err
		}
		trunks, tokens, err = Trunks{}.read(tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	return d.publish(extensions, trunks, tokens)
}

func (d *Directory) publish(extensions []ExtensionForm, trunks []TrunkForm, tokens map[string]string) error {
	hashed, err := d.hash(extensions)
	if err != nil {
		return err
	}
	made := make([]*Trunk, len(trunks))
	for i := range trunks {
		if made[i], err = d.open(&trunks[i]); err != nil {
			return fmt.Errorf("directory: %w", err)
		}
		made[i].Token = tokens[made[i].Name]
	}
	d.trunks = made
	d.now.Store(newSnapshot(hashed, made, d.names, d.realm))
	return nil
}

// open makes a trunk of its form, with its secret in plain.
func (d *Directory) open(f *TrunkForm) (*Trunk, error) {
	t, err := f.trunk()
	if err != nil || f.Secret == "" {
		return t, err
	}
	plain, err := d.box.Unseal(f.Secret, trunkContext(f.Name))
	if err != nil {
		return nil, fmt.Errorf("the secret of trunk %s does not open: %w", f.Name, err)
	}
	t.password = string(plain)
	return t, nil
}

// hash makes extensions of forms, which are sorted.
func (d *Directory) hash(forms []ExtensionForm) ([]*Extension, error) {
	all := make([]*Extension, 0, len(forms))
	var locked []string
	var reason error
	for _, f := range forms {
		plain, err := d.box.Unseal(f.Secret, secretContext(f.Number))
		if err != nil {
			locked, reason = append(locked, f.Number), err
			continue
		}
		e := &Extension{
			Number: f.Number, Name: f.Name, Codecs: f.Codecs, Digest: f.Digest, RingSeconds: f.RingSeconds,
			Sound: sound(f.DTMF, f.Clean), Encryption: f.Encryption, ICE: f.ICE, Offer: f.Offer, IAX2: f.IAX2,
		}
		if e.IAX2 {
			e.password = string(plain)
		}
		if e.Digest == "" {
			e.Digest = "md5"
		}
		e.ha1(d.realm, string(plain))
		all = append(all, e)
	}
	if locked != nil {
		return nil, fmt.Errorf("directory: the secrets of extensions %s do not open: %w", strings.Join(locked, ", "), reason)
	}
	return all, nil
}

// Secret is an extension's secret in plain, for a command that shows it.
func Secret(ctx context.Context, s *store.Store, box *secret.Box, number string) (string, error) {
	var plain []byte
	err := s.View(ctx, func(tx *store.Tx) error {
		all, err := Extensions{}.Read(tx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(e ExtensionForm) bool { return e.Number == number })
		if i < 0 {
			return fmt.Errorf("there is no extension %s; see tincan extension list", number)
		}
		if plain, err = box.Unseal(all[i].Secret, secretContext(number)); err != nil {
			return fmt.Errorf("the secret of extension %s: %w", number, err)
		}
		return nil
	})
	return string(plain), err
}

// TrunkSecret is a trunk's secret in plain, for a command that shows it.
func TrunkSecret(ctx context.Context, s *store.Store, box *secret.Box, name string) (string, error) {
	var plain []byte
	err := s.View(ctx, func(tx *store.Tx) error {
		all, err := Trunks{}.Read(tx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(t TrunkForm) bool { return t.Name == name })
		switch {
		case i < 0:
			return fmt.Errorf("there is no trunk %s; see tincan trunk list", name)
		case all[i].Secret == "":
			return fmt.Errorf("trunk %s has no secret", name)
		}
		if plain, err = box.Unseal(all[i].Secret, trunkContext(name)); err != nil {
			return fmt.Errorf("the secret of trunk %s: %w", name, err)
		}
		return nil
	})
	return string(plain), err
}

// Resolver looks up host names; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Resolve looks up the host names that trunks match by and publishes a snapshot
// with their addresses. Call it after Open, after Reload, and every few minutes. A
// name that does not resolve keeps the addresses it had; the error names it.
func (d *Directory) Resolve(ctx context.Context, r Resolver) error {
	hosts := d.hosts()
	found := make(map[string][]netip.Addr, len(hosts))
	var failed []error
	for _, host := range hosts {
		addrs, err := r.LookupNetIP(ctx, "ip", host)
		if err != nil {
			failed = append(failed, fmt.Errorf("trunk's host %s: %w", host, err))
			continue
		}
		found[host] = addrs
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.Copy(d.names, found)
	d.now.Store(newSnapshot(d.now.Load().sorted, d.trunks, d.names, d.realm))
	return errors.Join(failed...)
}

// hosts are the names to look up; names no longer used are forgotten.
func (d *Directory) hosts() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	used := map[string]bool{}
	for _, t := range d.trunks {
		for _, m := range t.Match {
			if m.Host != "" {
				used[m.Host] = true
			}
		}
	}
	maps.DeleteFunc(d.names, func(host string, _ []netip.Addr) bool { return !used[host] })
	return slices.Sorted(maps.Keys(used))
}
