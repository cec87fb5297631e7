package directory

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"tincan/store"
)

// forgetGroup bounds the rows that one job removes.
const forgetGroup = 100

const (
	putBinding = `INSERT INTO directory_binding (extension, device, instance, reg_id, contact, received, transport, local,
		path, user_agent, call_id, cseq, expires, updated, node, flow, q) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (extension, device) DO UPDATE SET instance = excluded.instance, reg_id = excluded.reg_id,
		contact = excluded.contact, received = excluded.received, transport = excluded.transport, local = excluded.local,
		path = excluded.path, user_agent = excluded.user_agent, call_id = excluded.call_id, cseq = excluded.cseq,
		expires = excluded.expires, updated = excluded.updated, node = excluded.node, flow = excluded.flow, q = excluded.q`
	removeBinding = `DELETE FROM directory_binding WHERE extension = ? AND device = ?`
	forgetBinding = `DELETE FROM directory_binding WHERE extension = ? AND device = ? AND updated <= ?`
	readBindings  = `SELECT extension, instance, reg_id, contact, received, transport, local, path, user_agent, call_id,
		cseq, expires, updated, node, flow, q FROM directory_binding`
)

func updateJob(extension string, put, remove []Binding) store.Job {
	return func(tx *store.Tx) error {
		for i := range remove {
			if _, err := tx.Exec(removeBinding, extension, remove[i].Key()); err != nil {
				return err
			}
		}
		for i := range put {
			b := &put[i]
			_, err := tx.Exec(putBinding, extension, b.Key(), b.Instance, b.RegID, b.Contact, b.Received.String(), b.Transport,
				b.Local, strings.Join(b.Path, "\n"), b.UserAgent, b.CallID, int64(b.CSeq),
				b.Expires.UnixMicro(), b.Updated.UnixMicro(), b.Node, b.Flow, b.Q)
			if err != nil {
				return err
			}
		}
		return nil
	}
}

func forgetJob(gone []Binding) store.Job {
	return func(tx *store.Tx) error {
		for i := range gone {
			if _, err := tx.Exec(forgetBinding, gone[i].Extension, gone[i].Key(), gone[i].Updated.UnixMicro()); err != nil {
				return err
			}
		}
		return nil
	}
}

// read fills the memory, before anyone else has it.
func (b *Bindings) read(tx *store.Tx) error {
	rows, err := tx.Query(readBindings)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var x Binding
		var received, path string
		var expires, updated int64
		err := rows.Scan(&x.Extension, &x.Instance, &x.RegID, &x.Contact, &received, &x.Transport, &x.Local, &path,
			&x.UserAgent, &x.CallID, &x.CSeq, &expires, &updated, &x.Node, &x.Flow, &x.Q)
		if err != nil {
			return err
		}
		if x.Received, err = netip.ParseAddrPort(received); err != nil {
			return fmt.Errorf("a device of extension %s: %w", x.Extension, err)
		}
		if path != "" {
			x.Path = strings.Split(path, "\n")
		}
		x.Expires, x.Updated = time.UnixMicro(expires), time.UnixMicro(updated)
		b.apply(x.Extension, []Binding{x}, nil)
	}
	return rows.Err()
}
