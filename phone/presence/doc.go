// Package presence knows what the extensions are doing: the calls that they take
// part in, and what their devices say of the member behind them. It knows no
// protocol: phone/sip tells it to lamps and address books, the panel can show it.
//
//	call.Exchange.Watch ─> Calls.Take ─┐
//	                                   ├─> Changed(extension) ─> who watches asks Dialogs, Published
//	PUBLISH ─> Publications.Publish ───┘
//
// There are no goroutines. Methods may be called from any; Changed functions are
// called without locks held.
package presence
