/** The dialog with the settings. */
import { byId, confirmed } from './dom.ts';
import { keyForm } from './failure-view.ts';
import { SAMPLING_NAMES, type Settings } from './request.ts';

export interface SettingsActions {
  /** What the fields begin with. */
  current(): { settings: Settings; system: string; hasKey: boolean; takesFeedback: boolean | undefined };
  save(settings: Settings): void;
  useKey(key: string, isKept: boolean): void;
  forgetKey(): void;
  exportAll(): void;
  deleteAll(): void;
}

export function wireSettings(actions: SettingsActions): void {
  const dialog = byId('settings', HTMLDialogElement);
  const form = byId('settings-form', HTMLFormElement);
  const showKey = () => {
    const { hasKey } = actions.current();
    byId('key-state', HTMLElement).textContent = hasKey ? 'A key is in use.' : 'No key is in use.';
    byId('forget-key', HTMLElement).hidden = !hasKey;
    byId('key-place', HTMLElement).replaceChildren(
      keyForm((key, isKept) => {
        actions.useKey(key, isKept);
        showKey();
      }),
    );
  };
  byId('open-settings', HTMLElement).addEventListener('click', () => {
    const { settings, system, takesFeedback } = actions.current();
    fill(settings, system);
    showKey();
    byId('feedback-state', HTMLElement).textContent = recordingOf(takesFeedback);
    dialog.showModal();
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    actions.save(read());
    dialog.close();
  });
  byId('forget-key', HTMLElement).addEventListener('click', () => {
    actions.forgetKey();
    showKey();
  });
  byId('export-all', HTMLElement).addEventListener('click', () => actions.exportAll());
  byId('delete-all', HTMLElement).addEventListener('click', async () => {
    const question = 'Delete all conversations in this browser? This cannot be undone.';
    if (await confirmed(question, 'Delete all')) actions.deleteAll();
  });
}

/** What the server keeps, as far as the page knows. */
function recordingOf(takesFeedback: boolean | undefined): string {
  if (takesFeedback === undefined) return 'The server may record what it is asked.';
  return takesFeedback
    ? 'This server records its answers, what they answer, and your feedback.'
    : 'This server records no feedback, so answers have no buttons for it.';
}

function fill(settings: Settings, system: string): void {
  for (const name of SAMPLING_NAMES) byId(name, HTMLInputElement).value = `${settings[name] ?? ''}`;
  byId('system', HTMLTextAreaElement).value = system;
  byId('stop-texts', HTMLTextAreaElement).value = settings.stop.join('\n');
  byId('logprobs', HTMLInputElement).checked = settings.logprobs;
  byId('user', HTMLInputElement).value = settings.user;
}

function read(): Settings {
  const numbers = SAMPLING_NAMES.map((name) => {
    const { value } = byId(name, HTMLInputElement);
    return [name, value === '' ? undefined : Number(value)] as const;
  });
  const stop = byId('stop-texts', HTMLTextAreaElement).value.split('\n');
  return {
    ...Object.fromEntries(numbers.filter(([, value]) => value !== undefined)),
    system: byId('system', HTMLTextAreaElement).value,
    stop: stop.filter((text) => text !== ''),
    logprobs: byId('logprobs', HTMLInputElement).checked,
    user: byId('user', HTMLInputElement).value.trim(),
  };
}
