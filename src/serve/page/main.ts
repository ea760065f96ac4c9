/** What runs in the browser: a chat with the model of the server that this page came from. */
import { Api } from './api.ts';
import { Chat } from './chat.ts';
import { saveRows, wireConversation } from './conversation-dialog.ts';
import { byId } from './dom.ts';
import { branchRows } from './export.ts';
import { readSettings, type Settings } from './request.ts';
import { wireSettings } from './settings-dialog.ts';
import { ConversationStore } from './store.ts';
import { wireTheme } from './theme.ts';

const SETTINGS = 'athanor.settings';
/** In the storage of the tab, and only when the user wants it there. */
const KEY = 'athanor.key';

async function main(): Promise<void> {
  const api = new Api();
  api.key = sessionStorage.getItem(KEY) ?? undefined;
  const store = await ConversationStore.open();
  const useKey = (key: string, isKept: boolean) => {
    api.key = key;
    if (isKept) sessionStorage.setItem(KEY, key);
    else sessionStorage.removeItem(KEY);
    void chat.retry();
  };
  const settings = readSettings(localStorage.getItem(SETTINGS));
  const chat = new Chat({ api, store, settings, useKey });
  wireTheme(byId('theme', HTMLButtonElement));
  wireSettings({
    current: () => {
      const { settings, takesFeedback, conversation } = chat;
      return { settings, takesFeedback, system: conversation.system, hasKey: api.key !== undefined };
    },
    save: (changed: Settings) => {
      chat.settings = changed;
      chat.setSystem(changed.system);
      localStorage.setItem(SETTINGS, JSON.stringify(changed));
    },
    useKey,
    forgetKey: () => {
      api.key = undefined;
      sessionStorage.removeItem(KEY);
    },
    exportAll: async () => saveRows('conversations', (await store.list()).flatMap(branchRows)),
    deleteAll: () => void chat.removeAll(),
  });
  wireConversation({
    current: () => chat.conversation,
    rename: (title) => chat.rename(title),
    remove: () => void chat.remove(),
  });
  wireDialogs();
  wireKeyboard(chat);
  byId('storage', HTMLElement).textContent = store.isLasting
    ? ''
    : 'This window keeps nothing: conversations end with it.';
  await chat.start();
  const keyField = document.querySelector<HTMLElement>('#thread .key-form input');
  (keyField ?? byId('message', HTMLTextAreaElement)).focus();
  document.documentElement.dataset.ready = 'true';
}

/** A dialog closes by its button, and by a click beside it. */
function wireDialogs(): void {
  for (const dialog of document.querySelectorAll('dialog')) {
    dialog.querySelector('.close')?.addEventListener('click', () => dialog.close());
    dialog.addEventListener('click', (event) => {
      if (event.target === dialog) dialog.close();
    });
  }
}

function wireKeyboard(chat: Chat): void {
  addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && chat.isRunning && !document.querySelector('dialog[open]')) chat.stop();
    if (!event.altKey || !['ArrowUp', 'ArrowDown'].includes(event.key)) return;
    event.preventDefault();
    chat.move(event.key === 'ArrowUp' ? -1 : 1);
  });
}

void main();
