package secret

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func box(t testing.TB, fill byte) *Box {
	t.Helper()
	b, err := New(bytes.Repeat([]byte{fill}, keySize))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealOpensOnlyForItsOwnerAndKey(t *testing.T) {
	b := box(t, 1)
	sealed := b.Seal([]byte("s3cret"), "extension:101")
	if !IsSealed(sealed) || strings.Contains(sealed, "s3cret") {
		t.Errorf("sealed as %s", sealed)
	}
	if plain, err := b.Unseal(sealed, "extension:101"); err != nil || string(plain) != "s3cret" {
		t.Errorf("unsealed %q, %v", plain, err)
	}
	if sealed == b.Seal([]byte("s3cret"), "extension:101") {
		t.Error("two seals of one secret are alike")
	}
	if _, err := b.Unseal(sealed, "extension:102"); !errors.Is(err, ErrDamaged) {
		t.Errorf("for another owner: %v", err)
	}
	_, err := box(t, 2).Unseal(sealed, "extension:101")
	if !errors.Is(err, ErrOtherKey) || !strings.Contains(err.Error(), b.ID()) {
		t.Errorf("with another key: %v", err)
	}
}

func FuzzUnseal(f *testing.F) {
	b := box(f, 1)
	f.Add("sealed:v1:"+b.ID()+":AAAA", "x")
	f.Add(b.Seal(nil, "x"), "x")
	f.Add("sealed:v2::", "")
	f.Fuzz(func(t *testing.T, text, context string) {
		if _, err := b.Unseal(text, context); err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrOtherKey) {
			t.Errorf("an error of neither kind: %v", err)
		}
		plain, err := b.Unseal(b.Seal([]byte(text), context), context)
		if err != nil || string(plain) != text {
			t.Errorf("%q came back as %q, %v", text, plain, err)
		}
	})
}

func TestOpenMakesOneKey(t *testing.T) {
	t.Setenv(Env, "")
	dir := filepath.Join(t.TempDir(), "data")
	ids := make([]string, 8)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			b, err := Open(dir)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = b.ID()
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("keys %v, want one", ids)
		}
	}
	files, _ := os.ReadDir(dir)
	info, err := os.Stat(filepath.Join(dir, FileName))
	if err != nil || info.Mode().Perm() != 0o600 || len(files) != 1 {
		t.Errorf("mode %v, %v, files %v", info.Mode(), err, files)
	}
}

func TestOpenErrorsSayWhatToDo(t *testing.T) {
	t.Setenv(Env, "")
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	write := func(text string, mode os.FileMode) {
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	write(base64.StdEncoding.EncodeToString(make([]byte, keySize)), 0o644)
	refuse(t, dir, "chmod 600")
	write("short", 0o600)
	refuse(t, dir, "backup")
	write(base64.StdEncoding.EncodeToString(make([]byte, 16)), 0o600)
	refuse(t, dir, "32 bytes")
	t.Setenv(Env, "%%%")
	refuse(t, dir, "openssl")
	t.Setenv(Env, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, keySize)))
	if b, err := Open(dir); err != nil || b.ID() != box(t, 1).ID() {
		t.Errorf("from the environment: %v", err)
	}
}

func refuse(t *testing.T, dir, say string) {
	t.Helper()
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), say) {
		t.Errorf("%v, want one with %q", err, say)
	}
}

func TestGenerate(t *testing.T) {
	seen := map[rune]int{}
	for range 200 {
		s := Generate(31)
		if len(s) != 31 {
			t.Fatalf("%q has %d signs", s, len(s))
		}
		for _, c := range s {
			seen[c]++
		}
	}
	// 200 of each are expected; under 100 has a chance of less than 1e-12.
	for _, c := range alphabet {
		if seen[c] < 100 {
			t.Errorf("%c came %d times of 6200", c, seen[c])
		}
	}
	if len(seen) != len(alphabet) || strings.ContainsAny(alphabet, "0o1il") {
		t.Errorf("signs %v", seen)
	}
}

func TestDerive(t *testing.T) {
	one, err := New(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	two, err := New(bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	a := one.Derive("a")
	if len(a) != 32 || !bytes.Equal(a, one.Derive("a")) {
		t.Error("a derived key is 32 bytes, always the same")
	}
	if bytes.Equal(a, one.Derive("b")) || bytes.Equal(a, two.Derive("a")) {
		t.Error("another purpose or key gives the same")
	}
}
