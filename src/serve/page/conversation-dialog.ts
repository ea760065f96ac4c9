/** The dialog of one conversation: its name, its export, its end. */
import type { Conversation } from './conversation.ts';
import { announce, byId, confirmed, saveFile } from './dom.ts';
import { branchRows, fileName, jsonLines, type MessageRow, markdownOf, shownRows } from './export.ts';

export interface ConversationActions {
  current(): Conversation;
  rename(title: string): void;
  remove(): void;
}

export function wireConversation(actions: ConversationActions): void {
  const dialog = byId('conversation', HTMLDialogElement);
  const name = byId('name', HTMLInputElement);
  byId('more', HTMLElement).addEventListener('click', () => {
    name.value = actions.current().title;
    dialog.showModal();
  });
  byId('conversation-form', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    actions.rename(name.value.trim());
    dialog.close();
  });
  const onExport = (id: string, save: (conversation: Conversation) => void) =>
    byId(id, HTMLElement).addEventListener('click', () => save(actions.current()));
  onExport('export-shown', (one) => saveRows(one.title, shownRows(one)));
  onExport('export-branches', (one) => saveRows(one.title, branchRows(one)));
  onExport('export-markdown', (one) => {
    saveFile(fileName(one.title, 'md'), 'text/markdown', markdownOf(one));
  });
  byId('delete', HTMLElement).addEventListener('click', async () => {
    const question = `Delete “${actions.current().title}”? This cannot be undone.`;
    if (!(await confirmed(question, 'Delete'))) return;
    dialog.close();
    actions.remove();
  });
}

/** Rows for training as a file of JSON Lines. */
export function saveRows(title: string, rows: readonly MessageRow[]): void {
  if (rows.length === 0) announce('There is no complete answer to export.');
  else saveFile(fileName(title, 'jsonl'), 'application/jsonl', jsonLines(rows));
}
