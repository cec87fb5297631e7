package space

import (
	"context"
	"strings"

	"tincan/store"
)

// Export writes all objects as a space.toml that gives the same server when it is
// applied to an empty one. Secrets are sealed, or plain with reveal.
func (s *Space) Export(ctx context.Context, reveal bool) ([]byte, error) {
	var all []set
	err := s.config.Store.View(ctx, func(tx *store.Tx) (err error) {
		all, err = s.read(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	if reveal {
		for i, o := range s.config.Owners {
			if err := o.reveal(all[i], s.config.Box); err != nil {
				return nil, err
			}
		}
	}
	return []byte(s.render(all)), nil
}

// render writes objects in their one canonical form.
func (s *Space) render(all []set) string { return write(s.list(all)) }

func write(list []Object) string {
	var b strings.Builder
	for _, o := range list {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString("[[" + o.Kind + "]]\n")
		for _, l := range o.Lines {
			b.WriteString(l.Name + " = " + l.Value + "\n")
		}
	}
	return b.String()
}
